"""The named surgeries, on nets of the family with a sixteenth of the width; and the proof that they are right."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from saved_weights import load

from caffe_fcn import netspec, surgery
from caffe_fcn.errors import CaffeFcnError, NetError
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import NetParameter, read_net, write

RNG = np.random.default_rng(31)


def narrow(name: str, **options: object) -> NetParameter:
    """A net of the catalogue with a sixteenth of its trunk's channels."""
    net = netspec.build(name, "deploy", **options)
    for layer in net.layer:
        if layer.type == "Convolution" and not layer.name.startswith("score") and not name.startswith("m2nist"):
            layer.convolution_param.num_output = max(layer.convolution_param.num_output // 16, 1)
    return net


def random_weights(path: Path, net: NetParameter, flat: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> Path:
    """Weights for a net; layers in ``flat`` as a classifier has them, fully connected, beside ``more`` of its own."""
    values = {}
    for layer, shapes in infer(net).params.items():
        for index, shape in enumerate(shapes):
            shape = (shape[0], math.prod(shape[1:])) if layer in flat and index == 0 else shape
            values[f"{layer}/{index}"] = RNG.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape).astype("f4")
    values |= {f"{layer}/0": RNG.normal(size=(7, 4)).astype("f4") for layer in more}
    np.savez(path, **values)
    return path


def trunk(net: NetParameter) -> NetParameter:
    """The layers of a net before its scores."""
    end = next(index for index, layer in enumerate(net.layer) if layer.name.startswith(("score", "scale")))
    result = NetParameter()
    result.layer.extend(net.layer[:end])
    return result


HEADS = ("score", "upscore", "scale_pool")


@pytest.mark.parametrize("name", surgery.RECIPES)
def test_a_recipe_takes_the_whole_trunk_and_fills_only_new_heads(tmp_path, name):
    recipe = surgery.RECIPES[name]
    target = narrow(recipe.net, **recipe.options)
    if name == "nyud-color-hha":
        sources = [random_weights(tmp_path / f"{n}.npz", narrow(f"nyud-fcn32s-{n}")) for n in ("color", "hha")]
    elif name == "m2nist":
        sources = [random_weights(tmp_path / "w.npz", narrow("m2nist-cnn"))]
    elif recipe.wants[0].startswith("a trained "):
        sources = [random_weights(tmp_path / "w.npz", narrow(recipe.wants[0].removeprefix("a trained ")))]
    else:
        classifier = trunk(narrow("nyud-fcn32s-color" if name == "nyud-color-d" else recipe.net))
        more = ("fc8", "loss1/classifier") if name != "googlenet" else ("loss3/classifier",)
        sources = [random_weights(tmp_path / "w.npz", classifier, ("fc6", "fc7"), more)]
    report = surgery.recipe(name, sources, tmp_path / "out.caffemodel", to_net=target)
    filled = {each.layer for each in report.parameters if each.fate == "filled"}
    dropped = {each.layer for each in report.parameters if each.fate == "dropped"}
    assert all(layer.startswith(HEADS) for layer in filled)
    assert all(layer.startswith((*HEADS, "fc8", "loss", "dense10")) for layer in dropped)
    assert report.counts()["copied"] > 3
    written = load(tmp_path / "out.caffemodel")
    assert {layer: [a.shape for a in arrays] for layer, arrays in written.items()} == {
        layer: [tuple(shape) for shape in shapes] for layer, shapes in infer(target).params.items() if shapes
    }
    for layer in filled:  # new scores start at zero, but for those that nothing else would teach
        assert written[layer][0].any() == (name == "m2nist" or layer.startswith(("upscore", "scale_pool")))


@pytest.mark.numerics
def test_colour_and_depth_start_from_the_mean_of_the_colours(tmp_path):
    source = random_weights(tmp_path / "w.npz", trunk(narrow("nyud-fcn32s-color")), ("fc6", "fc7"))
    target = narrow("nyud-fcn32s-color-d")
    surgery.recipe("nyud-color-d", [source], tmp_path / "out.caffemodel", to_net=target)
    colour, bgrd = load(source)["conv1_1"][0], load(tmp_path / "out.caffemodel")["conv1_1_bgrd"][0]
    np.testing.assert_array_equal(bgrd[:, :3], colour)
    np.testing.assert_allclose(bgrd[:, 3], colour.mean(axis=1), rtol=1e-5, atol=1e-7)


def test_both_streams_take_their_own_weights(tmp_path):
    sources = [random_weights(tmp_path / f"{n}.npz", narrow(f"nyud-fcn32s-{n}")) for n in ("color", "hha")]
    target = narrow("nyud-fcn32s-color-hha")
    surgery.recipe("nyud-color-hha", sources, tmp_path / "out.caffemodel", to_net=target)
    written = load(tmp_path / "out.caffemodel")
    for source, suffix in zip(sources, ("color", "hha"), strict=True):
        for layer in ("conv1_1", "fc7", "score_fr"):
            np.testing.assert_array_equal(written[layer + suffix][0], load(source)[layer][0])


def enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    """Bilinear interpolation by ``factor`` of (C, H, W), each pixel spread over a tent of twice the factor."""

    def along(size: int) -> np.ndarray:
        centres = factor * np.arange(size) + factor - 0.5
        places = np.arange(factor * (size + 1))
        return np.maximum(0, 1 - np.abs(places[:, None] - centres) / factor)

    return np.einsum("yh,chw,xw->cyx", along(image.shape[1]), image, along(image.shape[2]))


@pytest.mark.numerics
@pytest.mark.caffe
def test_finer_nets_start_as_the_interpolation_of_score_fr_in_two_and_in_three_steps(pycaffe, tmp_path):
    sizes = {"size": (64, 96), "classes": 5}
    nets = {stride: narrow(f"voc-fcn{stride}s", **sizes) for stride in (32, 16, 8)}
    random_weights(tmp_path / "trained.npz", nets[32])
    surgery.interp(tmp_path / "trained.npz", nets[32], tmp_path / "32.caffemodel")
    surgery.recipe("16s", [tmp_path / "32.caffemodel"], tmp_path / "16.caffemodel", to_net=nets[16])
    surgery.recipe("8s", [tmp_path / "16.caffemodel"], tmp_path / "8.caffemodel", to_net=nets[8])
    for stride, net in nets.items():
        write(net, tmp_path / f"{stride}.prototxt")
    out = pycaffe(
        """
        for stride in "32", "16", "8":
            folder = str(inputs["folder"]) + "/" + stride
            net = caffe.Net(folder + ".prototxt", folder + ".caffemodel", caffe.TEST)
            net.blobs["data"].data[...] = inputs["image"]
            net.forward()
            outputs["score" + stride] = net.blobs["score"].data
            outputs["score_fr" + stride] = net.blobs["score_fr"].data
        """,
        folder=tmp_path,
        image=RNG.uniform(-128, 128, (1, 3, 64, 96)).astype("f4"),
    )
    assert np.ptp(out["score_fr32"]) > 0.1
    for stride, steps in ((32, (32,)), (16, (2, 16)), (8, (2, 2, 8))):
        np.testing.assert_allclose(out[f"score_fr{stride}"], out["score_fr32"], rtol=1e-5, atol=1e-6)
        expected = out["score_fr32"][0].astype("f8")
        crops = [each.crop_param.offset[0] for each in nets[stride].layer if each.type == "Crop"]
        for step in steps:
            expected = enlarged(expected, step)
        expected = expected[:, crops[-1] :, crops[-1] :][:, :64, :96]
        assert np.abs(out[f"score{stride}"][0] - expected).max() < 1e-5 * np.abs(expected).max()


def test_recipes_go_by_the_name_of_their_net_too_and_refuse_wrong_calls(tmp_path):
    assert surgery.find_recipe("voc-fcn16s") is surgery.RECIPES["16s"]
    with pytest.raises(CaffeFcnError, match="did you mean caffenet"):
        surgery.find_recipe("cafenet")
    with pytest.raises(CaffeFcnError, match="it wants 2: a trained nyud-fcn32s-color and a trained nyud-fcn32s-hha"):
        surgery.recipe("nyud-color-hha", [tmp_path / "w"], tmp_path / "out.caffemodel")


# The proof of equivalence


def classifier_of(pads: bool) -> NetParameter:
    """A classifier of 3 x 21 x 21 images that pads inside, or nowhere."""
    net = NetParameter(name="classifier")
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[4, 3, 21, 21])

    def add(name: str, kind: str, bottom: str, **fields: object) -> None:
        net.layer.add(name=name, type=kind, bottom=[bottom], top=[name], **fields)

    add("conv1", "Convolution", "data", convolution_param={"num_output": 6, "kernel_size": [3], "stride": [2]})
    add("pool1", "Pooling", "conv1", pooling_param={"kernel_size": 2, "stride": 2})
    add("conv2", "Convolution", "pool1", convolution_param={"num_output": 8, "kernel_size": [3], "pad": [int(pads)]})
    add("relu2", "ReLU", "conv2")
    add("fc6", "InnerProduct", "relu2", inner_product_param={"num_output": 9})
    net.layer.add(name="relu6", type="ReLU", bottom=["fc6"], top=["fc6"])
    add("fc7", "InnerProduct", "fc6", inner_product_param={"num_output": 5})
    add("prob", "Softmax", "fc7")
    return net


def convolutional(net: NetParameter, kernel: int) -> NetParameter:
    result = NetParameter()
    result.CopyFrom(net)
    for layer in result.layer:
        if layer.type == "InnerProduct":
            layer.type = "Convolution"
            layer.convolution_param.num_output = layer.inner_product_param.num_output
            layer.convolution_param.kernel_size.append(kernel if layer.name == "fc6" else 1)
            layer.ClearField("inner_product_param")
    result.layer[1].convolution_param.pad.append(40)  # as FCNs pad their image
    return result


@pytest.fixture
def pair(tmp_path):
    """Prototxts and weights of a classifier and of its FCN, for one that pads and for one that doesn't."""

    def make(pads: bool) -> list[Path]:
        classifier = classifier_of(pads)
        fcn = convolutional(classifier, 5 if pads else 3)
        write(classifier, tmp_path / "c.prototxt")
        write(fcn, tmp_path / "f.prototxt")
        random_weights(tmp_path / "w.npz", classifier)
        surgery.convert(tmp_path / "w.npz", tmp_path / "c.caffemodel")
        surgery.transplant(tmp_path / "w.npz", fcn, tmp_path / "f.caffemodel", from_net=classifier)
        return [tmp_path / name for name in ("c.prototxt", "c.caffemodel", "f.prototxt", "f.caffemodel")]

    return make


@pytest.fixture(params=["caffe", "torch"])
def by(request, caffe_bin):
    """What runs the nets, as options."""
    if request.param == "torch":
        pytest.importorskip("torch")
        return ["--engine", "torch"]
    return ["--engine", "caffe", "--caffe", caffe_bin]


@pytest.mark.caffe
def test_where_nothing_pads_every_window_equals_the_classifier_on_that_crop(cli, by, pair):
    ran = cli("surgery", "verify", *pair(False), "--steps", 3, "--json", *by)
    told = json.loads(ran.out)
    assert ran.status == 0
    assert (told["blob"], told["windows"], told["image"]) == ("fc7", 16, [1, 3, 33, 33])
    assert told["padded"] == []
    assert told["largest_value"] > 0.1
    assert max(told[name] for name in ("at_size", "total", "surgery", "padding")) < 1e-5


@pytest.mark.caffe
def test_what_padding_inside_the_net_changes_is_told_apart_from_the_surgery(cli, by, pair):
    ran = cli("surgery", "verify", *pair(True), "--json", *by)
    told = json.loads(ran.out)
    assert ran.status == 0
    assert told["padded"] == ["conv2"]
    assert max(told["at_size"], told["surgery"]) < 1e-5
    assert told["padding"] > 1e-2
    assert abs(told["total"] - told["padding"]) < 1e-5


@pytest.mark.caffe
def test_an_fcn_with_other_weights_is_found_out(cli, by, pair):
    paths = pair(False)
    values = {f"{layer}/{i}": a for layer, arrays in load(paths[3]).items() for i, a in enumerate(arrays)}
    values["fc7/1"] = values["fc7/1"] + 1
    np.savez(paths[3].with_suffix(".npz"), **values)
    surgery.convert(paths[3].with_suffix(".npz"), paths[3])
    ran = cli("surgery", "verify", *paths, *by)
    assert ran.status == 1
    assert "the FCN is not this classifier" in ran.out


def test_nets_without_a_common_blob_cannot_be_compared():
    net = NetParameter()
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, 3, 9, 9])
    net.layer.add(name="x", type="Convolution", bottom=["data"], top=["x"])
    with pytest.raises(NetError, match="have no blob in common"):
        surgery.verify(classifier_of(False), None, net, None)


IMAGE = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }'
NORMED = """
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
            convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
    layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
    layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
"""
SCORE = """
    layer { name: "score" type: "Convolution" bottom: "bn" top: "score"
            convolution_param { num_output: 5 kernel_size: 1 } }
    layer { name: "pool" type: "Pooling" bottom: "score" top: "pool" pooling_param { pool: AVE global_pooling: true } }
"""
FC = 'layer { name: "fc" type: "InnerProduct" bottom: "bn" top: "fc" inner_product_param { num_output: 5 } }'
ENDS = [  # the classifier's last layers, options, why there are no windows
    (FC, [], "layer 'fc' (InnerProduct) takes in the whole image"),
    pytest.param(
        *(SCORE, ["--blob", "pool"], "layer 'pool' (Pooling) takes in the whole image"), marks=pytest.mark.long
    ),
    pytest.param(*(SCORE, [], "blob 'score' has 5x5 places in the classifier, too"), marks=pytest.mark.long),
]


@pytest.mark.caffe
@pytest.mark.parametrize(("end", "blob", "why"), ENDS)
def test_a_folded_net_that_has_no_windows_is_verified_at_its_own_size(cli, by, tmp_path, monkeypatch, end, blob, why):
    monkeypatch.chdir(tmp_path)
    Path("c.prototxt").write_text(IMAGE + NORMED + end)
    random_weights(Path("w.npz"), read_net("c.prototxt"))
    with np.load("w.npz") as made:
        values = dict(made)
    values |= {"bn/1": abs(values["bn/1"]) + 1, "bn/2": np.ones(1, np.float32)}
    np.savez("w.npz", **values)
    surgery.convert("w.npz", "c.caffemodel")
    surgery.fold("c.prototxt", "c.caffemodel", "f.prototxt", "f.caffemodel")
    ran = cli("surgery", "verify", "c.prototxt", "c.caffemodel", "f.prototxt", "f.caffemodel", *blob, "--json", *by)
    told = json.loads(ran.out)
    assert (ran.status, told["windows"], told["image"]) == (0, 1, [1, 3, 12, 12])
    assert told["no_windows"] == why
    assert told["at_size"] < 1e-5

    values["conv/1"] = values["conv/1"] + 1
    np.savez("w.npz", **values)
    surgery.convert("w.npz", "other.caffemodel")
    ran = cli("surgery", "verify", "c.prototxt", "other.caffemodel", "f.prototxt", "f.caffemodel", *blob, *by)
    assert ran.status == 1
    assert f"compared at the classifier's size alone: {why}" in ran.err


def test_weights_of_a_recipe_name_the_net_that_they_are_for(tmp_path):
    source = random_weights(tmp_path / "w.npz", narrow("m2nist-cnn"))
    surgery.recipe("m2nist", [source], tmp_path / "out.caffemodel")
    net = netspec.build("m2nist-fcn", "deploy", variant="convolutionalized")
    assert [layer.name for layer in read_net(tmp_path / "out.caffemodel").layer] == [layer.name for layer in net.layer]
