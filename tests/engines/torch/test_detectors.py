"""Layers of detectors, all of forks: OpenCV 4 judges those that it reads, literal transcriptions of the sources all.

Each is compared in fifty random cases: to 1e-5 of the largest value, and gradients to 1e-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count, islice

import detector_formulas as formulas
import numpy as np
import pytest

from caffe_fcn import proto
from caffe_fcn.errors import NetError

torch = pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")

from detector_cases import (  # noqa: E402 - needs torch
    WITH_GRADIENT,
    WITHOUT_GRADIENT,
    Case,
    Maker,
    assert_near,
    detection_output,
    multibox_loss,
    normalize,
    permute,
    prior_box,
    psroi_pooling,
    reorg,
    roi_pooling,
    yolo_v3,
)

CASES = 50
JUDGED_BY_OPENCV = [permute, reorg, normalize, roi_pooling, psroi_pooling, prior_box, detection_output]


def judge_one(case: Case, arrays: Sequence[np.ndarray], index: int, array: np.ndarray) -> np.ndarray:
    return case.judge(*arrays[:index], array, *arrays[index + 1 :])


@pytest.mark.parametrize("make", [*WITH_GRADIENT, *WITHOUT_GRADIENT])
def test_a_layer_computes_what_its_source_says(make: Maker) -> None:
    for seed in range(CASES):
        case = make(np.random.default_rng(seed))
        made = case.engine().forward(**case.bottoms)["y"].numpy()
        assert_near(made, case.judge(*(array.astype("f8") for array in case.bottoms.values())), seed)


@pytest.mark.parametrize("make", WITH_GRADIENT)
def test_the_gradient_is_that_of_the_formula(make: Maker) -> None:
    """Along random directions; MergeCrop has none for its second bottom, and regions have none."""
    for seed in range(CASES):
        random = np.random.default_rng(seed)
        case = make(random)
        arrays = [array.astype("f8") for array in case.bottoms.values()]
        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        engine = case.engine("float64", differentiable=True)
        made = engine.forward(**dict(zip(case.bottoms, tensors, strict=True)))["y"]
        of_top = np.asarray(random.normal(size=made.shape))
        (made * torch.from_numpy(of_top)).sum().backward()
        for index in range(case.learns):
            for _ in range(3):
                direction = random.normal(size=arrays[index].shape)
                judged = formulas.gradient(partial(judge_one, case, arrays, index), arrays[index], of_top, direction)
                ours = float((tensors[index].grad.numpy() * direction).sum())
                assert abs(ours - judged) <= 1e-4 * max(abs(judged), 1), (seed, index)


@pytest.mark.parametrize("make", JUDGED_BY_OPENCV)
def test_opencv_computes_the_same(make: Maker) -> None:
    dnn = pytest.importorskip("cv2").dnn
    cases = ((seed, make(np.random.default_rng(seed))) for seed in count())
    for seed, case in islice((each for each in cases if each[1].opencv), CASES):
        net = case.net()
        weights = proto.NetParameter(layer=[{"name": "y", "type": case.kind}])
        for array in case.blobs:
            weights.layer[0].blobs.add(data=array.ravel()).shape.dim.append(array.size)
        files = (proto.to_text(net).encode(), weights.SerializeToString())
        theirs = dnn.readNetFromCaffe(*(np.frombuffer(file, "u1") for file in files))
        for name, array in case.bottoms.items():
            theirs.setInput(array, name)
        made = [case.engine().forward(**case.bottoms)["y"].numpy(), theirs.forward("y")]
        if case.kind == "DetectionOutput":
            made = [list_detections(rows) for rows in made]
        if made[1].size:
            assert_near(*made, seed)
        else:
            assert not made[0].size


def list_detections(rows: np.ndarray) -> np.ndarray:
    """The rows that are detections, in one order; where there is none, OpenCV has zeros and others have -1."""
    found = rows.reshape(-1, 7)
    found = found[found[:, 2] > 0]
    return found[np.lexsort((-found[:, 2], found[:, 1], found[:, 0]))]


def test_of_equal_values_the_first_gets_the_gradient_of_a_region() -> None:
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    case = Case(
        "ROIPooling",
        "roi_pooling_param { pooled_h: 1 pooled_w: 1 }",
        {"x": np.zeros((1, 1, 4, 4)), "r": np.array([[0, 1, 1, 3, 3]])},
        np.add,
    )
    case.engine(differentiable=True).forward(x=x, r=case.bottoms["r"])["y"].sum().backward()
    assert x.grad.nonzero().tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (roi_pooling, "roi_pooling_param { pooled_h: 1 pooled_w: 1 pad_ratio: 0.5 }", "pad_ratio"),
        (detection_output, "detection_output_param { num_classes: 2 biases: 1 }", "biases"),
        (yolo_v3, "yolov3_detection_output_param { gaussian_box: true }", "gaussian_box"),
        (prior_box, "prior_box_param { min_size: 3 faceboxes: true }", "faceboxes"),
        (multibox_loss, "multibox_loss_param { num_classes: 2 conf_loss_type: LOGISTIC }", "LOGISTIC"),
    ],
)
def test_what_a_fork_means_otherwise_is_refused_by_name(make: Maker, settings: str, said: str) -> None:
    with pytest.raises(NetError, match=f"layer 'y'.*{said}"):
        make(np.random.default_rng(0))._replace(settings=settings).engine()


def test_a_region_of_an_image_that_is_not_there() -> None:
    case = roi_pooling(np.random.default_rng(0))
    with pytest.raises(NetError, match="none of 0 to"):
        case.engine().forward(x=case.bottoms["x"], r=case.bottoms["r"] + 7)
    with pytest.raises(NetError, match="reads regions 2x4"):
        case.engine().forward(x=case.bottoms["x"], r=np.zeros((2, 4)))


def test_prior_boxes_of_another_kind() -> None:
    case = detection_output(np.random.default_rng(0))
    with pytest.raises(NetError, match="reads prior boxes 3x5"):
        case.engine().forward(**case.bottoms | {"p": np.zeros((3, 5))})
