"""The catalogue's nets of forks: both spellings score alike, unpooling by masks is as its formula, names are published.

Who judges: real Caffe runs the spelling of BVLC's Caffe, numpy runs what unpools (`plain_layers`), and the public
prototxts of the forks say which parameters there are, where the folder with them is there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plain_layers
import pytest
import saved_weights
from caffe_worker import CaffeWorker, PyCaffe
from catalogue_nets import IN_BVLCS, fit_size, has_spellings, mark_long
from command import ROOT
from small_nets import shrink_net
from torch_judge import measure_difference, run

from caffe_fcn import netspec, proto
from caffe_fcn.net.diff import differences
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import NetParameter

pytestmark = pytest.mark.caffe
Cli = Callable[..., Any]

NEW = [name for name in IN_BVLCS if "fcn" not in name and name not in ("triangles", "m2nist-cnn")]
NEW += [name for name in IN_BVLCS if name.startswith("voc-fcn8s-") and name != "voc-fcn8s-atonce"]
LEAST = {"icnet": (193, 225), "pspnet50": (49, 57)}


def build_small(name: str, size: tuple[int, int], **options: str) -> NetParameter:
    """The deploy net for images of this size, a sixteenth as wide."""
    net = netspec.build(name, "deploy", size=size, classes=7, **options)
    return shrink_net(net, "deploy", {"data": (1, 3, *size)})


def make_values(net: NetParameter) -> dict[str, list[np.ndarray]]:
    """Random parameters that keep the size of values; statistics of a batch normalization as trainings have them."""
    random = np.random.RandomState(0)
    values = {}
    types = {layer.name: layer.type for layer in net.layer}
    for name, shapes in infer(net).params.items():
        if types[name] == "BN":
            usual = [random.uniform(0.5, 1.5, shape) if index in (0, 3) else random.normal(0, 0.3, shape)
                     for index, shape in enumerate(shapes)]  # fmt: skip
        else:
            usual = [random.normal(0, (2 / max(np.prod(shape[1:]), 8)) ** 0.5, shape) for shape in shapes]
        values[name] = [array.astype("f4") for array in usual]
    return values


@pytest.mark.parametrize("name", mark_long([name for name in netspec.catalogue() if has_spellings(name)]))
def test_both_spellings_score_alike(caffe: CaffeWorker, tmp_path: Path, name: str) -> None:
    """The fork's in the torch engine, BVLC's in real Caffe, with the weights of the one converted for the other."""
    size = fit_size(name, *LEAST.get(name, (57, 73)))
    fork, bvlc = (build_small(name, size, spelling=each) for each in ("fork", "bvlc"))
    assert {layer.type for layer in bvlc.layer} <= BVLCS and not {layer.type for layer in fork.layer} <= BVLCS
    converted = netspec.to_bvlc(fork, size)
    assert differences(converted.net, bvlc) == []
    weights = saved_weights.save(tmp_path / "fork.caffemodel", fork, make_values(fork))
    converted.write_weights(weights, tmp_path / "bvlc.caffemodel")
    image = {"data": np.random.RandomState(1).normal(0, 60, (1, 3, *size)).astype("f4")}
    ours = run(fork, image, weights=weights)["blob/score"]
    theirs = caffe.run(proto.to_text(bvlc), image, weights=tmp_path / "bvlc.caffemodel")
    assert theirs is not None and ours.shape == (1, 7, *size) and ours.std() > 1e-3
    assert measure_difference(ours, theirs["blob/score"]) <= 1e-4


BVLCS = {"BatchNorm", "Concat", "Convolution", "Deconvolution", "Eltwise", "Input", "Pooling", "ReLU", "Scale"}


def test_net_upgrade_makes_the_other_spelling(cli: Cli, tmp_path: Path) -> None:
    """With the weights, as docs/nets.md says."""
    fork, bvlc, built = (tmp_path / f"{name}.prototxt" for name in ("fork", "bvlc", "built"))
    weights, converted = tmp_path / "fork.caffemodel", tmp_path / "bvlc.caffemodel"
    build = ("net", "build", "pspnet50", "--phase", "deploy", "--size", "49x57")
    assert cli(*build, "--spelling", "fork", "-o", fork).status == 0
    small = shrink_net(proto.read_net(fork), "deploy", {"data": (1, 3, 49, 57)})
    proto.write(small, fork)
    saved_weights.save(weights, small, make_values(small))
    upgrade = ("net", "upgrade", fork, "--to", "bvlc", "-o", bvlc, "--weights", weights, "--weights-output", converted)
    assert cli(*upgrade).status == 0
    assert cli(*build, "-o", built).status == 0
    proto.write(shrink_net(proto.read_net(built), "deploy", {"data": (1, 3, 49, 57)}), built)
    assert cli("net", "diff", bvlc, built).status == 0
    slope, bias, mean, variance = saved_weights.load(weights)["conv5_4/bn"]
    theirs = saved_weights.load(converted)
    np.testing.assert_array_equal(theirs["conv5_4/bn"][:2], [mean.ravel(), variance.ravel()])
    np.testing.assert_array_equal(theirs["conv5_4/bn/scale"], [slope.ravel(), bias.ravel()])


@pytest.mark.parametrize(("name", "size"), [("segnet", (45, 52)), ("segnet-basic", (45, 52)), ("enet", (40, 56))])
def test_a_net_that_unpools_by_masks_scores_as_its_formulas(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    """SegNet's sizes are those of an image whose poolings round up."""
    net = build_small(name, size)
    values = make_values(net)
    weights = saved_weights.save(tmp_path / "w.caffemodel", net, values)
    image = {"data": np.random.RandomState(1).normal(0, 60, (1, 3, *size)).astype("f4")}
    expected = plain_layers.run_net(net, values, image)
    assert expected.shape == (1, 7, *size) and expected.std() > 1e-3
    assert measure_difference(run(net, image, weights=weights)["blob/score"], expected) <= 1e-5


INSTANTIATE = """
import glob
for path in sorted(glob.glob(str(inputs["folder"]) + "/*.prototxt")):
    net = caffe.Net(path, caffe.TEST)
    outputs[path.split("/")[-1]] = np.array(net.blobs[net.outputs[-1]].data.shape)
    del net
"""


def test_real_caffe_instantiates_every_net(pycaffe: PyCaffe, tmp_path: Path) -> None:
    """For small images, layers a sixteenth as wide."""
    wanted = {}
    for name in NEW:
        size = fit_size(name, *LEAST.get(name, (64, 90)))
        net = shrink_net(netspec.build(name, "deploy", size=size), "deploy", {"data": (1, 3, *size)})
        proto.write(net, tmp_path / f"{name}.prototxt")
        found = infer(net)
        wanted[f"{name}.prototxt"] = found.blobs[found.graph.outputs()[-1].name]
        assert wanted[f"{name}.prototxt"][2:] == size
    made = pycaffe(INSTANTIATE, folder=tmp_path)
    assert {name: tuple(made[name]) for name in wanted} == wanted


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in NEW if name not in ("icnet", "dilation8")])
def test_real_caffe_instantiates_every_net_as_it_is_published(pycaffe: PyCaffe, tmp_path: Path, name: str) -> None:
    proto.write(netspec.build(name, "deploy"), tmp_path / "deploy.prototxt")
    assert pycaffe(INSTANTIATE, folder=tmp_path)["deploy.prototxt"][0] == 1


# The public prototxt of each net, by the number of its file among those that the project's facts name, the net's
# options, and the size of its images where the file does not say it
PUBLIC = {
    "unet": ("036", {}, (480, 480)),
    "hed": ("120", {}, (500, 500)),
    "segnet": ("050", {}, (360, 480)),
    "segnet-basic": ("051", {}, (360, 480)),
    "deeplab-largefov": ("098", {"spelling": "fork"}, (321, 321)),
    "deeplab-v2-vgg16": ("138", {"spelling": "fork"}, (321, 321)),
    "voc-fcn8s-mobilenet-v1": ("034", {}, (224, 224)),
    "voc-fcn8s-mobilenet-v2": ("035", {}, (224, 224)),
    "voc-fcn8s-densenet121": ("122", {}, (224, 224)),
    "voc-fcn8s-squeezenet": ("100", {}, (224, 224)),
}
FOLDER = ROOT.parent / "shared/facts/forks/nets"


@pytest.mark.parametrize("name", PUBLIC)
def test_published_weights_fit_by_name(tmp_path: Path, name: str) -> None:
    """Every layer with parameters, but for the one that scores the classes, has the published name and shapes."""
    number, options, size = PUBLIC[name]
    found = sorted(FOLDER.glob(f"{number}-*.prototxt"))
    if not found:
        pytest.skip(f"needs the public nets in {FOLDER}")
    text = found[0].read_text().replace("${EXP}", "voc12").replace("${NUM_LABELS}", "21")
    (tmp_path / "public.prototxt").write_text(text)
    public = proto.read_net(tmp_path / "public.prototxt", allow_unknown=True)
    keep = [layer for layer in public.layer if layer.type not in ("MatWrite", "DenseCRF", "MAT_WRITE", "DENSE_CRF")]
    del public.layer[:]
    public.layer.extend(keep)
    theirs = {layer: shapes for layer, shapes in infer(public, size=size).params.items() if shapes}
    ours = infer(netspec.build(name, "deploy", size=fit_size(name, *size), **options)).params
    differing = [layer for layer, shapes in theirs.items() if ours.get(layer) != shapes]
    assert len(differing) <= 1 + (name == "deeplab-v2-vgg16") * 4, differing
    assert all(layer.startswith(("fc", "conv")) for layer in differing)
