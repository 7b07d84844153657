"""Other classes, other channels, folded means and folded statistics: real Caffe computes what they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from saved_weights import load, save

from caffe_fcn import surgery
from caffe_fcn.errors import CaffeFcnError, NetError, WeightsError
from caffe_fcn.proto import NetParameter, parse, read_net, write

RNG = np.random.default_rng(21)

FORWARD = """
    for number in range(int(inputs["count"])):
        folder = str(inputs["folder"])
        net = caffe.Net("%s/%d.prototxt" % (folder, number), "%s/%d.caffemodel" % (folder, number), caffe.TEST)
        data = inputs["data%d" % number]
        net.blobs["data"].reshape(*data.shape)
        net.blobs["data"].data[...] = data
        net.forward()
        outputs[str(number)] = net.blobs[net.outputs[0]].data
"""


def net_of(text: str, shape: tuple[int, ...]) -> NetParameter:
    net = NetParameter()
    parse(text, net, "test")
    data = NetParameter()
    data.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=shape)
    data.layer.extend(net.layer)
    return data


def forward(pycaffe, folder: Path, *data: np.ndarray) -> list[np.ndarray]:
    """What real Caffe makes of the pairs 0.prototxt, 0.caffemodel, 1.prototxt, ... in the folder."""
    images = {f"data{number}": image for number, image in enumerate(data)}
    out = pycaffe(FORWARD, folder=folder, count=len(data), **images)
    return [out[str(number)] for number in range(len(data))]


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("f4")


def layer(name: str, kind: str, param: str, bottom: str = "data", top: str = "") -> str:
    """A layer's prototxt."""
    message = {"Convolution": "convolution", "Deconvolution": "convolution", "InnerProduct": "inner_product"}[kind]
    ends = f'bottom: "{bottom}" top: "{top or name}"'
    return f'layer {{ name: "{name}" type: "{kind}" {ends} {message}_param {{ {param} }} }}'


def score_net(classes: int, name: str = "score", upscored: bool = True) -> NetParameter:
    text = layer(name, "Convolution", f"num_output: {classes} kernel_size: 1")
    up = layer("upscore", "Deconvolution", f"num_output: {classes} kernel_size: 4 stride: 2 bias_term: false", name)
    return net_of(text + up * upscored, (1, 6, 3, 3))


@pytest.mark.numerics
@pytest.mark.caffe
def test_a_net_of_more_classes_scores_the_old_ones_as_before(pycaffe, tmp_path):
    old, new = score_net(3), score_net(5)
    values = {"score": [normal(3, 6, 1, 1), normal(3)], "upscore": [normal(3, 3, 4, 4)]}
    save(tmp_path / "old.caffemodel", old, values)
    report = surgery.expand(tmp_path / "old.caffemodel", new, tmp_path / "1.caffemodel")
    assert [(each.layer, each.fate) for each in report.parameters] == [
        ("score", "reshaped"),
        ("score", "reshaped"),
        ("upscore", "filled"),
        ("upscore", "dropped"),
    ]
    surgery.interp(tmp_path / "old.caffemodel", old, tmp_path / "0.caffemodel")
    write(old, tmp_path / "0.prototxt")
    write(new, tmp_path / "1.prototxt")
    image = normal(1, 6, 3, 3)
    before, after = forward(pycaffe, tmp_path, image, image)
    np.testing.assert_allclose(after[:, :3], before, atol=1e-5)
    assert np.abs(before).max() > 1
    assert not after[:, 3:].any()


def test_expanding_what_does_not_grow_is_refused(tmp_path):
    save(tmp_path / "w.caffemodel", score_net(3), {"score": [normal(3, 6, 1, 1), normal(3)]})
    with pytest.raises(WeightsError, match="no layer with fewer outputs"):
        surgery.expand(tmp_path / "w.caffemodel", score_net(3), tmp_path / "out.caffemodel")
    with pytest.raises(WeightsError, match="is not in both nets"):
        surgery.expand(tmp_path / "w.caffemodel", score_net(5), tmp_path / "out.caffemodel", ["scores"])


def test_chosen_classes_of_a_classifier_become_a_score_layer_with_a_new_background(tmp_path):
    classifier = net_of(
        'layer { name: "fc8" type: "InnerProduct" bottom: "data" top: "fc8" inner_product_param { num_output: 9 } }',
        (1, 6),
    )
    weights, bias = normal(9, 6), normal(9)
    save(tmp_path / "w.caffemodel", classifier, {"fc8": [weights, bias]})
    fcn = score_net(4, "score_fr", upscored=False)
    surgery.select(tmp_path / "w.caffemodel", "fc8", [None, 7, 2, 7], fcn, tmp_path / "out.caffemodel", "score_fr")
    chosen, shift = load(tmp_path / "out.caffemodel")["score_fr"]
    assert chosen.shape == (4, 6, 1, 1)
    assert not chosen[0].any()
    assert shift[0] == 0
    np.testing.assert_array_equal(chosen[1:, :, 0, 0], weights[[7, 2, 7]])
    np.testing.assert_array_equal(shift[1:], bias[[7, 2, 7]])
    with pytest.raises(WeightsError, match="has no class 9"):
        surgery.select(tmp_path / "w.caffemodel", "fc8", [0, 1, 2, 9], fcn, tmp_path / "x.caffemodel", "score_fr")
    with pytest.raises(WeightsError, match="does not fit"):
        surgery.select(tmp_path / "w.caffemodel", "fc8", [0, 1], fcn, tmp_path / "x.caffemodel", "score_fr")


def image_net(channels: int, pad: int = 0, before: str = "") -> NetParameter:
    bottom = "shifted" if before else "data"
    text = layer("conv1", "Convolution", f"num_output: 5 kernel_size: 3 stride: 2 pad: {pad}", bottom)
    return net_of(before + text, (1, channels, 9, 9))


@pytest.mark.numerics
@pytest.mark.caffe
def test_other_channels_are_what_they_say(pycaffe, tmp_path):
    values = {"conv1": [normal(5, 3, 3, 3), normal(5)]}
    w = save(tmp_path / "0.caffemodel", image_net(3), values)
    image = normal(1, 3, 9, 9)
    grey = normal(1, 1, 9, 9)
    nets = [image_net(3), image_net(4), image_net(1), image_net(3), image_net(3)]
    for number, (net, way) in enumerate(zip(nets, ("", "bgrd", "grey", "swap", ""), strict=True)):
        write(net, tmp_path / f"{number}.prototxt")
        if way:
            assert surgery.change_channels(w, way, tmp_path / f"{number}.caffemodel") == "conv1"
    (tmp_path / "4.caffemodel").write_bytes(w.read_bytes())
    depth = image.mean(axis=1, keepdims=True)
    out = forward(
        pycaffe,
        tmp_path,
        image,
        np.concatenate([image, 0 * depth], axis=1),
        grey,
        image[:, ::-1],
        np.repeat(grey, 3, axis=1),
    )
    np.testing.assert_allclose(out[1], out[0], atol=1e-5)
    np.testing.assert_allclose(out[2], out[4], atol=1e-5)
    np.testing.assert_allclose(out[3], out[0], atol=1e-5)
    fourth = load(tmp_path / "1.caffemodel")["conv1"][0][:, 3]
    np.testing.assert_allclose(fourth, values["conv1"][0].mean(axis=1), atol=1e-6)
    assert read_net(tmp_path / "1.caffemodel").layer[0].input_param.shape[0].dim[1] == 4


SHIFT = 'layer { name: "shift" type: "Power" bottom: "data" top: "shifted" power_param { shift: -116 scale: 0.5 } }'


@pytest.mark.numerics
@pytest.mark.caffe
@pytest.mark.parametrize("pad", [0, 3])
def test_a_shift_is_folded_exactly_where_the_first_convolution_does_not_pad(pycaffe, tmp_path, pad):
    net = image_net(3, pad, SHIFT)
    save(tmp_path / "0.caffemodel", net, {"conv1": [normal(5, 3, 3, 3), normal(5)]})
    write(net, tmp_path / "0.prototxt")
    folded = surgery.fold_mean(net, tmp_path / "0.caffemodel", tmp_path / "1.prototxt", tmp_path / "1.caffemodel")
    assert (folded.layer, folded.gone, folded.shift, folded.scale) == ("conv1", "shift", (-116,), 0.5)
    assert [layer.name for layer in read_net(tmp_path / "1.prototxt").layer] == ["data", "conv1"]
    image = RNG.uniform(0, 255, (1, 3, 9, 9)).astype("f4")
    before, after = forward(pycaffe, tmp_path, image, image)
    border = folded.border
    assert border == (2 if pad else 0)
    inner = slice(border, before.shape[2] - border)
    np.testing.assert_allclose(after[:, :, inner, inner], before[:, :, inner, inner], rtol=1e-4, atol=1e-2)
    assert (np.abs(after - before).max() > 1) == bool(pad)


@pytest.mark.numerics
@pytest.mark.caffe
def test_a_mean_per_channel_is_folded_into_the_bias(pycaffe, tmp_path):
    net = image_net(3)
    save(tmp_path / "0.caffemodel", net, {"conv1": [normal(5, 3, 3, 3), normal(5)]})
    write(net, tmp_path / "0.prototxt")
    mean = (104.0, 116.7, 122.7)
    surgery.fold_mean(net, tmp_path / "0.caffemodel", tmp_path / "1.prototxt", tmp_path / "1.caffemodel", mean)
    image = RNG.uniform(0, 255, (1, 3, 9, 9)).astype("f4")
    before, after = forward(pycaffe, tmp_path, image - np.array(mean, "f4")[:, None, None], image)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-2)


def test_folding_a_mean_that_is_not_there_is_refused(tmp_path):
    w = save(tmp_path / "w.caffemodel", image_net(3), {"conv1": [normal(5, 3, 3, 3), normal(5)]})
    with pytest.raises(NetError, match="has no Power layer"):
        surgery.fold_mean(image_net(3), w, tmp_path / "n", tmp_path / "o.caffemodel")
    with pytest.raises(WeightsError, match="reads 3 channels"):
        surgery.fold_mean(image_net(3), w, tmp_path / "n", tmp_path / "o.caffemodel", (1, 2))
    with pytest.raises(WeightsError, match="no such change"):
        surgery.change_channels(w, "cmyk", tmp_path / "o.caffemodel")
    with pytest.raises(WeightsError, match="did you mean conv1"):
        surgery.change_channels(w, "grey", tmp_path / "o.caffemodel", "conv")
    assert [path.name for path in tmp_path.iterdir()] == ["w.caffemodel"]


def statistics(channels: int) -> list[np.ndarray]:
    """Mean, variance and the factor that both are divided by, as Caffe keeps them."""
    return [normal(channels), RNG.uniform(0.5, 4, channels).astype("f4"), np.array([2.5], "f4")]


def chain(name: str, top: str, scale: str = "bias_term: true") -> str:
    return (
        f'layer {{ name: "{name}_bn" type: "BatchNorm" bottom: "{name}" top: "{top}" }}'
        f'layer {{ name: "{name}_scale" type: "Scale" bottom: "{top}" top: "{top}" scale_param {{ {scale} }} }}'
    )


NORMED = {
    "a convolution without a bias, in place": (
        layer("x", "Convolution", "num_output: 6 kernel_size: 3 bias_term: false") + chain("x", "x"),
        {"x": [normal(6, 4, 3, 3)], "x_bn": statistics(6), "x_scale": [normal(6), normal(6)]},
    ),
    "a grouped convolution with a bias, under other names": (
        layer("x", "Convolution", "num_output: 6 kernel_size: 3 group: 2") + chain("x", "y", ""),
        {"x": [normal(6, 2, 3, 3), normal(6)], "x_bn": statistics(6), "x_scale": [normal(6)]},
    ),
    "a grouped deconvolution": (
        layer("x", "Deconvolution", "num_output: 6 kernel_size: 3 group: 2") + chain("x", "x"),
        {"x": [normal(4, 3, 3, 3), normal(6)], "x_bn": statistics(6), "x_scale": [normal(6), normal(6)]},
    ),
    "a transposed fully connected layer": (
        layer("x", "InnerProduct", "num_output: 6 transpose: true") + chain("x", "x"),
        {"x": [normal(4 * 25, 6), normal(6)], "x_bn": statistics(6), "x_scale": [normal(6), normal(6)]},
    ),
    "a scale alone": (
        layer("x", "Convolution", "num_output: 6 kernel_size: 3")
        + 'layer { name: "x_scale" type: "Scale" bottom: "x" top: "x" scale_param { bias_term: true } }',
        {"x": [normal(6, 4, 3, 3), normal(6)], "x_scale": [normal(6), normal(6)]},
    ),
}


@pytest.mark.numerics
@pytest.mark.caffe
def test_folded_nets_compute_what_they_computed_before(pycaffe, tmp_path):
    images = []
    for number, (text, values) in enumerate(NORMED.values()):
        relu = 'layer { name: "relu" type: "ReLU" bottom: "%s" top: "z" }' % ("y" if '"y"' in text else "x")
        net = net_of(text + relu, (1, 4, 5, 5))
        write(net, tmp_path / f"{2 * number}.prototxt")
        save(tmp_path / f"{2 * number}.caffemodel", net, values)
        pair = [tmp_path / f"{2 * number + 1}{suffix}" for suffix in (".prototxt", ".caffemodel")]
        (folded,) = surgery.fold(net, tmp_path / f"{2 * number}.caffemodel", *pair)
        assert folded.layer == "x"
        assert not {layer.type for layer in read_net(pair[0]).layer} & {"BatchNorm", "Scale"}
        assert load(pair[1]).keys() == {"x"}
        images += [normal(1, 4, 5, 5)] * 2
    out = forward(pycaffe, tmp_path, *images)
    for number in range(len(NORMED)):
        before, after = out[2 * number : 2 * number + 2]
        assert before.max() > 0.1
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5 * before.max())


@pytest.mark.parametrize(
    "text",
    [
        'layer { name: "r" type: "ReLU" bottom: "data" top: "x" }' + chain("x", "x"),  # nothing to fold into
        NORMED["a scale alone"][0].replace('top: "x" conv', 'top: "x" param { name: "shared" } conv'),
        NORMED["a scale alone"][0].replace('"x" top: "x" scale', '"x" top: "y" scale')
        + 'layer { name: "r" type: "ReLU" bottom: "x" top: "z" }',  # somebody else reads it
    ],
)
def test_what_cannot_be_folded_is_refused(tmp_path, text):
    with pytest.raises(CaffeFcnError, match="nothing to fold"):
        surgery.fold(net_of(text, (1, 4, 5, 5)), tmp_path / "w", tmp_path / "n", tmp_path / "o.caffemodel")


def test_folding_without_the_statistics_is_refused(tmp_path):
    text, values = NORMED["a convolution without a bias, in place"]
    net = net_of(text, (1, 4, 5, 5))
    w = save(tmp_path / "w.caffemodel", net, {**values, "x_bn": values["x_bn"][:2]})
    with pytest.raises(WeightsError, match="layer 'x_bn': has 2 parameters"):
        surgery.fold(net, w, tmp_path / "n", tmp_path / "o.caffemodel")
    assert [path.name for path in tmp_path.iterdir()] == ["w.caffemodel"]


def test_interp_refuses_layers_that_cannot_interpolate(tmp_path):
    net = score_net(3)
    net.layer[-1].convolution_param.ClearField("kernel_size")
    net.layer[-1].convolution_param.kernel_h, net.layer[-1].convolution_param.kernel_w = 4, 6
    w = save(tmp_path / "w.caffemodel", score_net(3), {"score": [normal(3, 6, 1, 1), normal(3)]})
    with pytest.raises(
        NetError, match=r"layer 'upscore' \(Deconvolution\): cannot interpolate: kernel 4x6 is not square"
    ):
        surgery.interp(w, net, tmp_path / "o.caffemodel")
    with pytest.raises(NetError, match="only a Deconvolution interpolates"):
        surgery.interp(w, score_net(3), tmp_path / "o.caffemodel", ["score"])
    with pytest.raises(NetError, match="no Deconvolution with 'up'"):
        surgery.interp(w, score_net(3, upscored=False), tmp_path / "o.caffemodel")


@pytest.mark.parametrize(
    ("name", "shape", "what"),
    [
        ("bn/0", (5,), "has 5 channels"),
        ("bn/1", (5,), "has 5 channels"),
        ("conv/1", (5,), "a bias of 5"),
        ("conv/0", (9, 3, 1, 1), "is 9x3x1x1, not for 8 outputs"),
        ("conv/0", (27,), "is 27, not for 8 outputs"),
    ],
)
def test_fold_refuses_parameters_of_another_size(tmp_path, name, shape, what):
    net = tmp_path / "net.prototxt"
    net.write_text(
        """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
          convolution_param { num_output: 8 kernel_size: 1 } }
        layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
        """
    )
    shapes = {"conv/0": (8, 3, 1, 1), "conv/1": (8,), "bn/0": (8,), "bn/1": (8,), "bn/2": (1,), name: shape}
    np.savez(tmp_path / "w.npz", **{each: np.ones(sides, "f4") for each, sides in shapes.items()})
    with pytest.raises(WeightsError, match=what):
        surgery.fold(net, tmp_path / "w.npz", tmp_path / "out.prototxt", tmp_path / "out.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.prototxt", "w.npz"]
