"""Both exports write every layer type that the torch engine runs in a deploy net; those of detectors by formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch_code_judge
from detector_cases import (
    WITH_GRADIENT,
    WITHOUT_GRADIENT,
    Case,
    Maker,
    assert_near,
    detection_output,
    multibox_loss,
    prior_box,
    prior_box_clustered,
    proposal,
    psroi_pooling,
    roi_align,
    roi_pooling,
    yolo_v3,
)
from detector_nets import write_ssd, write_two_stages
from layer_nets import REFUSED_NETS
from onnx_judge import KNOWN_OPSETS, Exported
from prototxts import input_layer, layer
from saved_weights import save

from caffe_fcn.engines.torch import registry
from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.comparison import compare_model, compare_rows, run_model
from caffe_fcn.interop.onnx.exporting import OnnxModel, write_onnx
from caffe_fcn.interop.onnx.place import CONVERTERS
from caffe_fcn.interop.torch_code.comparison import compare_module, load_module, run_module
from caffe_fcn.interop.torch_code.exporting import WRITERS, TorchModel, write_torch
from caffe_fcn.net.layer_types import layer_type

# Types that the engine runs in a deploy net and an export does not write, each with the reason. (Settings that are
# refused stand in `layer_nets.REFUSED_NETS`.)
NOT_EXPORTED: dict[str, str] = {}

MAKERS = [make for make in (*WITH_GRADIENT, *WITHOUT_GRADIENT) if make is not multibox_loss]
OTHERS = [roi_pooling, psroi_pooling, roi_align, *WITHOUT_GRADIENT]  # which are in no `layer_nets`
SEEDS = range(3)


def test_every_layer_type_of_a_deploy_net_is_exported() -> None:
    """Losses and measures, which read labels, are in no deploy net; inputs and data layers compute nothing."""
    run = {name for name in registry._CLASSES if layer_type(name).role != "loss"}
    assert "Python" in run and "DetectionOutput" in run
    for written in (CONVERTERS, WRITERS):
        assert run - written.keys() == NOT_EXPORTED.keys()


@pytest.mark.parametrize("text, words", REFUSED_NETS)
def test_what_is_drawn_anew_in_each_pass_is_refused(tmp_path: Path, text: str, words: str) -> None:
    for exported in (Exported, torch_code_judge.Exported):
        with pytest.raises(NetError, match=words):
            exported(text, tmp_path)


def write_case(case: Case, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "deploy.prototxt").write_text(case.text)
    return save(folder / "net.caffemodel", case.net(), {"y": list(case.blobs)} if case.blobs else {})


def to_onnx(case: Case, folder: Path, **options: object) -> OnnxModel:
    weights = write_case(case, folder)
    made = write_onnx(folder / "deploy.prototxt", weights, folder / "net.onnx", **options)
    onnx.checker.check_model(str(made.files[0]), full_check=True)
    return made


def to_torch(case: Case, folder: Path) -> TorchModel:
    return write_torch(folder / "deploy.prototxt", write_case(case, folder), folder / "made")


def judge(case: Case) -> np.ndarray:
    return case.judge(*(array.astype("f8") for array in case.bottoms.values()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each layer in a few random cases, and in fifty where tests may be long."""
    if "maker" in metafunc.fixturenames:
        few = [pytest.param(make, SEEDS, id=make.__name__) for make in OTHERS]
        many = [pytest.param(make, range(50), id=f"{make.__name__}-50", marks=pytest.mark.long) for make in MAKERS]
        metafunc.parametrize("maker, seeds", [*few, *many])


def test_onnx_models_compute_what_the_sources_say(tmp_path: Path, maker: Maker, seeds: range) -> None:
    for seed in seeds:
        case = maker(np.random.default_rng(seed))
        made = to_onnx(case, tmp_path / str(seed), opset=KNOWN_OPSETS[seed * 2 % len(KNOWN_OPSETS)])
        assert_near(run_model(made.files[0], case.bottoms)["y"], judge(case), seed)


def test_modules_compute_what_the_sources_say(tmp_path: Path, maker: Maker, seeds: range) -> None:
    for seed in seeds:
        case = maker(np.random.default_rng(seed))
        assert_near(run_module(to_torch(case, tmp_path / str(seed)), case.bottoms)["y"], judge(case), seed)


@pytest.mark.parametrize("make", [prior_box, prior_box_clustered, psroi_pooling, roi_align, roi_pooling])
def test_layers_of_fixed_shapes_are_exported_by_torch(tmp_path: Path, make: Maker) -> None:
    case = make(np.random.default_rng(0))
    made = to_torch(case, tmp_path)
    given = tuple(map(torch.from_numpy, case.bottoms.values()))
    program = torch.export.export(load_module(made.files[0]), given)
    assert_near(program.module()(*given).numpy(), judge(case), 0)


@pytest.mark.parametrize("make", [roi_pooling, detection_output, proposal, yolo_v3, prior_box])
def test_the_code_of_detectors_is_formatted(tmp_path: Path, make: Maker) -> None:
    exported = object.__new__(torch_code_judge.Exported)
    exported.made = to_torch(make(np.random.default_rng(1)), tmp_path)
    exported.assert_style()


HALVES = [
    [0, 8, 24, 40, 56],  # times 1/16: halves, which C rounds away from zero
    [0, -8, -24, 8, 8],
    [0, 40, 40, 8, 8],  # turned round
    [0, 7.999999, 8.000001, 23.999998, 24.000002],
    [0, -500, -500, 500, 500],
    [0, 200, 200, 300, 300],  # outside
]


@pytest.mark.parametrize("kind", ["ROIPooling", "PSROIPooling"])
def test_halves_are_rounded_as_in_c(tmp_path: Path, kind: str) -> None:
    """By the formula in loops, in float32 as Caffe computes."""
    inside = {"ROIPooling": "pooled_h: 3 pooled_w: 2", "PSROIPooling": "output_dim: 2 group_size: 3"}[kind]
    settings = f"{kind.lower().replace('pooling', '_pooling')}_param {{ {inside} spatial_scale: 0.0625 }}"
    x = np.random.default_rng(0).normal(size=(1, 18, 9, 7)).astype("f4")
    case = Case(kind, settings, {"x": x, "r": np.array(HALVES, "f4")}, np.add)
    wanted = case.engine().forward(**case.bottoms)["y"].numpy()
    assert_near(run_model(to_onnx(case, tmp_path / "onnx").files[0], case.bottoms)["y"], wanted, 0)
    assert_near(run_module(to_torch(case, tmp_path / "torch"), case.bottoms)["y"], wanted, 0)


def sort_rows(rows: np.ndarray) -> np.ndarray:
    found = rows.reshape(-1, 7)
    return found[np.lexsort((-found[:, 2], found[:, 1], found[:, 0]))]


@pytest.mark.parametrize("batch, size", [(1, (24, 32)), (3, (24, 32)), (2, (45, 28))])
def test_a_detector_of_any_size_and_batch(tmp_path: Path, batch: int, size: tuple[int, int]) -> None:
    """Prior boxes, the number of candidates and the best of each image are computed in the graph."""
    exported = Exported(write_ssd(), tmp_path, dynamic=["batch", "size"])
    data = np.random.default_rng(batch).normal(size=(batch, 3, *size)).astype("f4")
    found = run_model(exported.made.files[0], {"data": data})["found"]
    wanted = exported.net.forward(data=data)["found"].numpy()
    assert found.shape == wanted.shape and found.shape[2] > batch
    np.testing.assert_allclose(sort_rows(found), sort_rows(wanted), rtol=1e-5, atol=1e-5)


def test_the_number_of_rows_is_open(tmp_path: Path) -> None:
    graph = onnx.load(Exported(write_ssd(), tmp_path).made.files[0]).graph
    (found,) = graph.output
    sides = found.type.tensor_type.shape.dim
    assert sides[2].dim_param and [sides[axis].dim_value for axis in (0, 1, 3)] == [1, 1, 7]


@pytest.mark.parametrize("text", [write_ssd(), write_two_stages()])
def test_nets_that_choose_are_verified_in_pieces(tmp_path: Path, text: str) -> None:
    exported = Exported(text, tmp_path)
    compared = compare_model(exported.made, exported.weights)
    assert all(each.ok for each in compared), compared
    written = torch_code_judge.Exported(text, tmp_path)
    compared = compare_module(written.made, written.weights)
    assert all(each.ok for each in compared), compared
    assert {"score", "rois"} <= {each.blob for each in compared} or "found" in {each.blob for each in compared}


def test_regions_that_a_net_takes_are_drawn_of_its_image(tmp_path: Path) -> None:
    """As the nets of Fast R-CNN and R-FCN take them: other numbers are of no image, and refused."""
    text = input_layer("data", 1, 3, 30, 40) + input_layer("rois", 4, 5, 1, 1)
    text += layer("ROIPooling", "data rois", "y", "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.125 }")
    exported, written = Exported(text, tmp_path), torch_code_judge.Exported(text, tmp_path)
    assert all(each.ok for each in compare_model(exported.made, exported.weights))
    assert all(each.ok for each in compare_module(written.made, written.weights))


def test_rows_are_compared_in_any_order() -> None:
    rows = np.random.default_rng(0).normal(size=(1, 1, 9, 7)).astype("f4")
    turned = rows[:, :, ::-1]
    assert compare_rows("y", turned, rows).ok
    turned = turned.copy()
    turned[0, 0, 3, 4] += 0.01
    assert not compare_rows("y", turned, rows).ok
    assert not compare_rows("y", rows[:, :, :8], rows).ok


def test_prior_boxes_of_another_kind_are_refused(tmp_path: Path) -> None:
    case = detection_output(np.random.default_rng(0))
    case = case._replace(bottoms={**case.bottoms, "p": np.zeros((3, 5), "f4")})
    makers: list[Callable[[Case, Path], object]] = [to_onnx, to_torch]
    for make in makers:
        with pytest.raises(NetError, match="reads prior boxes 3x5"):
            make(case, tmp_path)


def test_an_input_that_a_layer_overwrites_keeps_its_name(tmp_path: Path) -> None:
    text = input_layer("data", 1, 2, 4, 4) + layer("AbsVal", "data", "data") + layer("Power", "data", "y")
    Exported(text, tmp_path).assert_equal()
    with pytest.raises(NetError, match="overwrites the input 'data'"):
        Exported(input_layer("data", 1, 2, 4, 4) + layer("AbsVal", "data", "data"), tmp_path)
