"""Every rule fires on its example and not on the mended one, and no error fires on nets that are right."""

from __future__ import annotations

from pathlib import Path

import check_examples
import pytest
import reference
from catalogue_nets import FORKS_ONLY, mark_long
from command import ROOT

from caffe_fcn import checks, netspec, proto
from caffe_fcn.checks import Rule
from caffe_fcn.checks.example_nets import conv, image, label, loss, pointwise, upscore
from caffe_fcn.checks.pages import format_all

EACH_RULE = pytest.mark.parametrize("rule", checks.RULES, ids=lambda rule: rule.code)


@EACH_RULE
def test_a_rule_fires_on_its_example_and_not_on_the_mended_one(rule: Rule, tmp_path: Path) -> None:
    for mended in (False, True):
        folder = tmp_path / str(mended)
        folder.mkdir()
        found = checks.run(**check_examples.write(rule.example, folder, mended), select=[rule.code])
        assert [finding.code for finding in found[:1]] == ([] if mended else [rule.code]), found


def test_codes_and_names_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in checks.RULES]
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in checks.RULES}) == len(codes)


def test_the_page_is_that_of_the_rules() -> None:
    assert (ROOT / "docs/checks.md").read_text() == format_all(), "python scripts/checks_page.py writes it"


@pytest.mark.parametrize("name", mark_long(list(netspec.catalogue())))
def test_no_error_fires_on_a_net_of_the_catalogue(name: str, tmp_path: Path) -> None:
    """Its solver is checked as well; where its data are, only who trains it knows."""
    netspec.write(name, tmp_path)
    found = [
        finding for path in tmp_path.glob("*.prototxt") if "solver" not in path.name for finding in checks.run(path)
    ]
    found += checks.run(solver=tmp_path / "solver.prototxt", ignore=["missing-data"])
    if name in FORKS_ONLY:
        assert {"unknown-type", "unknown-field"} <= {finding.rule.name for finding in found}
        found = [finding for finding in found if not finding.rule.name.startswith("unknown-")]
    assert not checks.has_errors(found), [str(finding) for finding in found]


@pytest.mark.parametrize(("folder", "file"), list(reference.files()))
def test_no_error_fires_on_a_net_of_the_reference(folder: str, file: str, tmp_path: Path) -> None:
    proto.write(reference.net(folder, file), tmp_path / f"{file}.prototxt")
    found = checks.run(tmp_path / f"{file}.prototxt")
    assert not checks.has_errors(found), [str(finding) for finding in found]


@pytest.mark.parametrize("field", ["interp_param", "bn_param", "reorg_param", "region_param", "deephi_resize_param"])
def test_fields_of_forks_are_named_with_their_line(field: str, tmp_path: Path) -> None:
    """Those that people could not parse; docs/mistakes.md has their threads."""
    path = tmp_path / "net.prototxt"
    path.write_text(f'layer {{\n  name: "x"\n  type: "ReLU"\n  {field} {{ }}\n}}\n')
    (found,) = checks.run(path, select=["FCN132"])
    assert (found.place.line, field in found.what) == (4, True)


def test_a_deconvolution_that_makes_scores_of_features_may_read_what_is_clipped(tmp_path: Path) -> None:
    """As in ENet, whose last layer makes the classes of 16 channels; of as many channels it enlarges scores."""
    found = {}
    for outputs in (3, 5):
        features = conv("features", "data", f"num_output: {outputs} kernel_size: 1 stride: 2")
        clipped = pointwise('type: "ReLU"', "features", "features", name="relu")
        enlarged = upscore("num_output: 3 kernel_size: 2 stride: 2", bottom="features", more="")
        path = tmp_path / "train.prototxt"
        path.write_text(image() + label() + features + clipped + enlarged + loss("upscore"))
        found[outputs] = [finding.place.layer for finding in checks.run(path, select=["FCN125"])]
    assert found == {3: ["relu"], 5: []}


def test_a_crop_of_2015_has_no_offset(tmp_path: Path) -> None:
    path = tmp_path / "train.prototxt"
    net = netspec.build("voc-fcn8s", "train")
    for layer in net.layer:
        layer.ClearField("crop_param")
    proto.write(net, path)
    assert len(checks.run(path, select=["FCN101"])) == 3


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ('type: "SoftmaxWithLoss" bottom: "data" bottom: "label" top: "loss" softmax_param { axis: 7 }', "FCN121"),
        ('type: "SoftmaxWithLoss" bottom: "data" top: "loss"', "FCN134"),
        ('type: "Convolution" top: "conv"', "FCN134"),
        ('type: "Crop" bottom: "data" top: "cropped"', "FCN134"),
        ('type: "Eltwise" bottom: "data" top: "sum"', "FCN134"),
    ],
)
def test_a_layer_that_makes_no_sense_is_a_finding_and_no_end_of_the_check(
    layer: str, code: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.prototxt"
    path.write_text(f'{image()}{label("1 1 64 64")}layer {{ name: "it" {layer} }}\n')
    data = tmp_path / "data"
    check_examples.write(checks.find_rule("FCN401").example, tmp_path, mended=True)
    assert code in [finding.code for finding in checks.run(path, data=data)]
