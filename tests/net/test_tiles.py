"""Tiles: nets run in parts give what they give for the whole image; judged by the whole run, and by real Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from caffe_worker import PyCaffe
from google.protobuf import text_format
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_nets import shrink_net

from caffe_fcn import netspec, offsets
from caffe_fcn.errors import CaffeFcnError, NetError
from caffe_fcn.evaluation.net_inputs import ImageInput
from caffe_fcn.evaluation.tiling import join_parts, run_tiles
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.tiles import plan_tiles
from caffe_fcn.proto import NetParameter

torch = pytest.importorskip("torch")

from caffe_fcn.engines.torch import Net  # noqa: E402

FILL = 'weight_filler { type: "gaussian" std: 0.2 } bias_filler { type: "uniform" min: -1 max: 1 }'
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 64 dim: 64 } } }'


def layer(kind: str, bottom: str, top: str, **fields: object) -> str:
    param = {"Pooling": "pooling_param"}.get(kind, "convolution_param")
    more = "" if kind == "Pooling" else f"num_output: 3 {FILL}"
    values = " ".join(f"{name}: {value}" for name, value in fields.items())
    return f'layer {{ name: "{top}" type: "{kind}" bottom: "{bottom}" top: "{top}" {param} {{ {values} {more} }} }}\n'


def fcn(pads: list[int], kernels: list[int], dilation: int, pool: str) -> NetParameter:
    """A small FCN with a skip: strides 2, 4 and back, Crops with the offsets that the geometry asks for."""
    text = INPUT + layer("Convolution", "data", "conv1", kernel_size=kernels[0], pad=pads[0])
    text += 'layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }\n'
    text += layer("Pooling", "conv1", "pool1", pool=pool, kernel_size=kernels[1], stride=2, pad=pads[1])
    text += layer("Convolution", "pool1", "conv2", kernel_size=3, pad=pads[2], dilation=dilation)
    text += layer("Pooling", "conv2", "pool2", pool="MAX", kernel_size=2, stride=2)
    text += layer("Convolution", "pool2", "score2", kernel_size=kernels[2])
    text += layer("Deconvolution", "score2", "up2", kernel_size=4, stride=2)
    text += layer("Convolution", "pool1", "score1", kernel_size=1)
    text += 'layer { name: "crop1" type: "Crop" bottom: "score1" bottom: "up2" top: "crop1" }\n'
    text += 'layer { name: "fuse" type: "Eltwise" bottom: "up2" bottom: "crop1" top: "fuse" }\n'
    text += layer("Deconvolution", "fuse", "up1", kernel_size=4, stride=2)
    text += 'layer { name: "score" type: "Crop" bottom: "up1" bottom: "data" top: "score" }\n'
    return offsets.correct_crops(text_format.Parse(text, NetParameter()))


def run(net: Net, images: np.ndarray) -> np.ndarray:
    return net.forward("score", data=images[None].astype(np.float64))["score"][0].numpy()


def run_in_tiles(net: Net, message: NetParameter, image: np.ndarray, tile: tuple[int, int]) -> tuple[np.ndarray, int]:
    plan = plan_tiles(message, ["data"], "score", image.shape[1:], tile)
    assert all(end - begin <= most for each in plan.tiles for (begin, end), most in zip(each.reads, tile, strict=True))
    parts = run_tiles(plan, lambda part, _: run(net, part["data"]), {"data": image}, [ImageInput("data", 3)])
    return join_parts(parts, plan.size), len(plan.tiles)


@settings(max_examples=20)
@given(
    pads=st.tuples(st.integers(20, 40), st.integers(0, 1), st.just(0)),
    kernels=st.tuples(st.sampled_from([1, 3, 5]), st.just(2), st.sampled_from([3, 5])),
    dilation=st.integers(1, 2),
    pool=st.sampled_from(["MAX", "AVE"]),
    size=st.tuples(st.integers(50, 170), st.integers(50, 120)),
    tile=st.tuples(st.integers(72, 100), st.integers(72, 100)),
)
def test_tiles_give_what_the_whole_image_gives(
    pads: tuple[int, ...], kernels: tuple[int, ...], dilation: int, pool: str, size: tuple[int, int],
    tile: tuple[int, int],
) -> None:  # fmt: skip
    try:
        message = fcn([*pads], [*kernels], dilation, pool)
    except CaffeFcnError:
        assume(False)
    image = np.random.default_rng(0).uniform(-100, 100, (3, *size))
    try:
        net = Net(message, "deploy", size=size, dtype=torch.float64, literal=True)
        whole = run(net, image)
    except NetError:  # this padding is too small for this size
        assume(False)
    found, _ = run_in_tiles(net, message, image, tile)
    np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("window", [Window(3, 2, 1), Window(4, 2, 3), Window(3, 1, 0, 2), Window(7, 4, 2)])
def test_margins_are_not_larger_than_the_receptive_field(window: Window) -> None:
    """One convolution: at a cut, the windows that reach beyond it, and no others, are not right."""
    text = INPUT + layer(
        "Convolution", "data", "score", kernel_size=window.kernel, stride=window.stride, pad=window.pad,
        dilation=window.dilation,
    )  # fmt: skip
    plan = plan_tiles(text_format.Parse(text, NetParameter()), ["data"], "score", (200, 50), (60, 50))
    for tile in plan.tiles[:-1]:
        last = tile.at[0][1] - 1
        assert last * window.stride - window.pad + window.extent <= tile.reads[0][1]
        assert (last + 1) * window.stride - window.pad + window.extent > tile.reads[0][1]


def test_tiles_by_real_caffe(pycaffe: PyCaffe, tmp_path: Path) -> None:
    message = fcn([20, 0, 0], [3, 2, 3], 1, "MAX")
    (tmp_path / "net.prototxt").write_text(text_format.MessageToString(message))
    image = np.random.default_rng(1).uniform(-100, 100, (3, 90, 120)).astype(np.float32)
    plan = plan_tiles(message, ["data"], "score", (90, 120), (64, 56))
    assert len(plan.tiles) > 4
    reads = np.array([tile.reads for tile in plan.tiles])
    outputs = pycaffe(
        """
        caffe.set_random_seed(1)
        net = caffe.Net('net.prototxt', caffe.TEST)
        def run(image):
            net.blobs['data'].reshape(1, *image.shape)
            net.blobs['data'].data[...] = image
            return net.forward()['score'][0].copy()
        outputs['whole'] = run(inputs['image'])
        for number, ((top, bottom), (left, right)) in enumerate(inputs['reads']):
            outputs['tile%d' % number] = run(inputs['image'][:, top:bottom, left:right])
        """,
        cwd=tmp_path,
        image=image,
        reads=reads,
    )
    for number, tile in enumerate(plan.tiles):
        (top, bottom), (left, right) = tile.gives
        (first, last), (start, end) = tile.at
        part = outputs[f"tile{number}"][:, top:bottom, left:right]
        np.testing.assert_allclose(part, outputs["whole"][:, first:last, start:end], rtol=1e-4, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("name", ["voc-fcn8s", "voc-fcn32s", "voc-fcn-alexnet"])
def test_nets_of_the_family_at_full_depth(name: str) -> None:
    """Their strides and paddings, with a sixteenth of the channels."""
    message = shrink_net(netspec.build(name, phase="deploy"), "deploy")
    image = np.random.default_rng(2).uniform(-100, 100, (3, 900, 700))
    net = Net(message, "deploy", size=(900, 700), dtype=torch.float64)
    found, count = run_in_tiles(net, message, image, (640, 640))
    assert count > 1
    whole = run(net, image)
    np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-9 * np.abs(whole).max())


GLOBAL = {
    "InnerProduct": ('type: "InnerProduct" inner_product_param { num_output: 2 }', "looks at more of an image"),
    "MVN": ('type: "MVN"', "looks at more of an image"),
    "global pooling": ('type: "Pooling" pooling_param { global_pooling: true }', "looks at more of an image"),
    "softmax over the rows": ('type: "Softmax" softmax_param { axis: 2 }', "looks at more of an image"),
    "BatchNorm of the image": (
        'type: "BatchNorm" batch_norm_param { use_global_stats: false }', "looks at more of an image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GLOBAL)
def test_what_sees_the_whole_image_is_refused(case: str) -> None:
    text, what = GLOBAL[case]
    message = text_format.Parse(f'{INPUT} layer {{ name: "score" bottom: "data" top: "score" {text} }}', NetParameter())
    with pytest.raises(NetError, match=what):
        plan_tiles(message, ["data"], "score", (200, 200), (100, 100))


def test_a_tile_that_is_all_margin_is_refused_with_the_least_size() -> None:
    message = netspec.build("voc-fcn8s", phase="deploy")
    with pytest.raises(NetError, match=r"`tile`: 256 pixels are too few: .* \(at least (\d+)\)") as caught:
        plan_tiles(message, ["data"], "score", (1000, 1000), (256, 256))
    least = int(caught.value.mend.split()[-1])
    assert len(plan_tiles(message, ["data"], "score", (1000, 1000), (least, least)).tiles) > 1
