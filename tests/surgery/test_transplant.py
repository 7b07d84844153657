"""AlexNet's weights in convolutional nets, against the same surgery inside pycaffe."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import reference
from saved_weights import load, save

from caffe_fcn import netspec, surgery
from caffe_fcn.errors import CaffeFcnError, WeightsError
from caffe_fcn.proto import NetParameter, read_net, write

# What an AlexNet trained on ILSVRC has: weights whose layers keep the size of what passes through them.
RANDOM_WEIGHTS = """
    net = caffe.Net(str(inputs["net"]), caffe.TEST)
    random = np.random.RandomState(3)
    for blobs in net.params.values():
        fan_in = np.prod(blobs[0].shape[1:])
        blobs[0].data[...] = random.normal(0, np.sqrt(2.0 / fan_in), blobs[0].shape)
        blobs[1].data[...] = random.normal(0, 0.1, blobs[1].shape)
    net.save(str(inputs["weights"]))
"""


def convolutional(net: NetParameter, size: int) -> NetParameter:
    """AlexNet's deploy net with fc6, fc7 and fc8 as convolutions, at another input size."""
    result = NetParameter()
    result.CopyFrom(net)
    result.layer[0].input_param.shape[0].dim[:] = [1, 3, size, size]
    for layer in result.layer:
        if layer.type == "InnerProduct":
            layer.type = "Convolution"
            layer.convolution_param.num_output = layer.inner_product_param.num_output
            layer.convolution_param.kernel_size.append(6 if layer.name == "fc6" else 1)
            layer.ClearField("inner_product_param")
    return result


@pytest.fixture(scope="module")
def alexnet(pycaffe, tmp_path_factory) -> dict[str, Path]:
    """AlexNet's deploy net at batch 1, and weights that real Caffe saved for it."""
    folder = tmp_path_factory.mktemp("alexnet")
    net = reference.net("bvlc_alexnet", "deploy")
    net.layer[0].input_param.shape[0].dim[0] = 1
    paths = {"net": folder / "alexnet.prototxt", "weights": folder / "alexnet.caffemodel"}
    write(net, paths["net"])
    pycaffe(RANDOM_WEIGHTS, **paths)
    return paths


@pytest.mark.caffe
@pytest.mark.parametrize("size", [227, pytest.param(454, marks=pytest.mark.long)])
def test_real_caffe_runs_the_transplanted_alexnet_as_the_surgery_inside_pycaffe_does(pycaffe, alexnet, tmp_path, size):
    net = convolutional(read_net(alexnet["net"]), size)
    write(net, tmp_path / "conv.prototxt")
    surgery.transplant(alexnet["weights"], net, tmp_path / "conv.caffemodel")
    image = np.random.default_rng(5).uniform(-120, 130, (1, 3, size, size)).astype(np.float32)
    out = pycaffe(
        """
        classifier = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
        inside = caffe.Net(str(inputs["conv_net"]), caffe.TEST)
        for name in inside.params:
            for theirs, ours in zip(classifier.params[name], inside.params[name]):
                ours.data.flat = theirs.data.flat
        loaded = caffe.Net(str(inputs["conv_net"]), str(inputs["conv_weights"]), caffe.TEST)
        for net, name in (inside, "inside"), (loaded, "loaded"):
            net.blobs["data"].data[...] = inputs["image"]
            net.forward()
            outputs[name], outputs[name + "_fc8"] = net.blobs["prob"].data, net.blobs["fc8"].data
        if inputs["image"].shape == classifier.blobs["data"].data.shape:
            classifier.blobs["data"].data[...] = inputs["image"]
            classifier.forward()
            outputs["classifier_fc8"] = classifier.blobs["fc8"].data
        """,
        **alexnet,
        conv_net=tmp_path / "conv.prototxt",
        conv_weights=tmp_path / "conv.caffemodel",
        image=image,
    )
    assert out["loaded_fc8"].shape[2:] == ((1, 1) if size == 227 else (8, 8))
    scale = np.abs(out["inside_fc8"]).max()
    assert scale > 0.1  # the logits are numbers, not nothing
    assert np.abs(out["loaded_fc8"] - out["inside_fc8"]).max() < 1e-4 * scale
    assert np.abs(out["loaded"] - out["inside"]).max() < 1e-4
    if size == 227:
        assert np.abs(out["loaded_fc8"].reshape(1, 1000) - out["classifier_fc8"]).max() < 1e-4 * scale


# What pycaffe does: surgery.transplant and surgery.interp of the FCN reference, in its own words of numpy.
INSIDE_PYCAFFE = """
    old = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
    new = caffe.Net(str(inputs["fcn"]), caffe.TEST)
    for name, blobs in old.params.items():
        if name in new.params:
            for theirs, ours in zip(blobs, new.params[name]):
                ours.data.flat = theirs.data.flat
    ours = caffe.Net(str(inputs["fcn"]), str(inputs["fcn_weights"]), caffe.TEST)
    new.params["score_fr"][0].data[...] = ours.params["score_fr"][0].data  # random, so take the same
    k = new.params["upscore"][0].data.shape[-1]
    f = (k + 1) // 2
    centre = f - 1 if k % 2 else f - 0.5
    line = 1 - abs(np.arange(k) - centre) / f
    channels = new.params["upscore"][0].data.shape[0]
    new.params["upscore"][0].data[range(channels), range(channels)] = np.outer(line, line)
    for net, prefix in (new, "inside"), (ours, "ours"):
        for name, blobs in net.params.items():
            for i, blob in enumerate(blobs):
                outputs["%s:%s/%d" % (prefix, name, i)] = blob.data
        net.blobs["data"].reshape(*inputs["image"].shape)
        net.blobs["data"].data[...] = inputs["image"]
        net.forward()
        for blob in ("score_fr", "score"):
            outputs[prefix + ":" + blob] = net.blobs[blob].data
"""


@pytest.mark.numerics
@pytest.mark.caffe
def test_fcn_alexnet_gets_what_the_surgery_inside_pycaffe_gives(pycaffe, alexnet, tmp_path):
    fcn = netspec.build("voc-fcn-alexnet", "deploy", size=(120, 160))
    fcn.layer[[each.name for each in fcn.layer].index("score_fr")].convolution_param.weight_filler.type = "xavier"
    write(fcn, tmp_path / "fcn.prototxt")
    surgery.transplant(alexnet["weights"], fcn, tmp_path / "fcn.caffemodel")
    image = np.random.default_rng(6).uniform(-120, 130, (1, 3, 120, 160)).astype(np.float32)
    paths = {"fcn": tmp_path / "fcn.prototxt", "fcn_weights": tmp_path / "fcn.caffemodel"}
    out = pycaffe(INSIDE_PYCAFFE, **alexnet, **paths, image=image)
    names = {key.partition(":")[2] for key in out}
    assert {"fc6/0", "upscore/0", "score"} <= names
    assert np.abs(out["inside:score"]).max() > 1e-3
    for name in names:
        np.testing.assert_allclose(out[f"ours:{name}"], out[f"inside:{name}"], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.caffe
def test_real_caffe_says_nothing_about_what_we_wrote(caffe_prefix, alexnet, tmp_path):
    fcn = netspec.build("voc-fcn-alexnet", "deploy", size=(64, 64))
    write(fcn, tmp_path / "fcn.prototxt")
    surgery.transplant(alexnet["weights"], fcn, tmp_path / "fcn.caffemodel")
    load = "import caffe, sys; caffe.Net(sys.argv[1], caffe.TEST, weights=sys.argv[2])"
    command = [caffe_prefix / "bin" / "pycaffe", "-c", load, tmp_path / "fcn.prototxt", tmp_path / "fcn.caffemodel"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Ignoring source layer" not in done.stderr
    assert not [line for line in done.stderr.splitlines() if re.match(r"[WEF]\d{4} ", line)]


@pytest.mark.caffe
def test_opencv_runs_the_fcn_alexnet_pair_as_real_caffe_does(pycaffe, alexnet, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless<5 is not installed")
    fcn = netspec.build("voc-fcn-alexnet", "deploy", size=(96, 128))
    fcn.layer[[each.name for each in fcn.layer].index("score_fr")].convolution_param.weight_filler.type = "xavier"
    write(fcn, tmp_path / "fcn.prototxt")
    surgery.transplant(alexnet["weights"], fcn, tmp_path / "fcn.caffemodel")
    image = np.random.default_rng(7).uniform(-120, 130, (1, 3, 96, 128)).astype(np.float32)
    out = pycaffe(
        """
        net = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
        net.blobs["data"].data[...] = inputs["image"]
        net.forward()
        outputs["score"] = net.blobs["score"].data
        """,
        net=tmp_path / "fcn.prototxt",
        weights=tmp_path / "fcn.caffemodel",
        image=image,
    )
    net = cv2.dnn.readNetFromCaffe(str(tmp_path / "fcn.prototxt"), str(tmp_path / "fcn.caffemodel"))
    net.setInput(image)
    score = net.forward("score")
    assert score.shape == out["score"].shape == (1, 21, 96, 128)
    assert np.abs(score - out["score"]).max() < 1e-4 * np.abs(out["score"]).max()


# Rules of adaptation, on nets of a few layers


def layer(name: str, kind: str, bottom: str = "data", **fields: object) -> dict[str, object]:
    return {"name": name, "type": kind, "bottom": [bottom], "top": [name], **fields}


def net_of(*layers: dict[str, object], shape: tuple[int, ...] = (1, 4, 5, 5)) -> NetParameter:
    net = NetParameter(name="made")
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=shape)
    for each in layers:
        net.layer.add(**each)
    return net


def fates(report: surgery.Report) -> dict[tuple[str, int], str]:
    return {(each.layer, each.index): each.fate for each in report.parameters}


RNG = np.random.default_rng(11)
FC = net_of(layer("fc", "InnerProduct", inner_product_param={"num_output": 3}))
FC_VALUES = {"fc": [RNG.normal(size=(3, 100)).astype("f4"), RNG.normal(size=3).astype("f4")]}


def conv(name: str, outputs: int, kernel: int, **more: object) -> dict[str, object]:
    return layer(name, "Convolution", convolution_param={"num_output": outputs, "kernel_size": [kernel], **more})


def test_a_fully_connected_layer_becomes_a_convolution_and_back_again(tmp_path):
    save(tmp_path / "fc.caffemodel", FC, FC_VALUES)
    wide = net_of(conv("fc", 3, 5), shape=(1, 4, 9, 9))
    report = surgery.transplant(tmp_path / "fc.caffemodel", wide, tmp_path / "conv.caffemodel")
    assert fates(report) == {("fc", 0): "reshaped", ("fc", 1): "copied"}
    np.testing.assert_array_equal(load(tmp_path / "conv.caffemodel")["fc"][0], FC_VALUES["fc"][0].reshape(3, 4, 5, 5))
    report = surgery.transplant(tmp_path / "conv.caffemodel", FC, tmp_path / "back.caffemodel")
    assert fates(report)["fc", 0] == "reshaped"
    np.testing.assert_array_equal(load(tmp_path / "back.caffemodel")["fc"][0], FC_VALUES["fc"][0])


@pytest.mark.parametrize(("kernel", "channels"), [((2, 10), 5), ((10, 10), 1), ((25, 1), 4)])
def test_a_kernel_that_is_not_what_the_layer_read_is_refused_though_the_count_agrees(tmp_path, kernel, channels):
    save(tmp_path / "fc.caffemodel", FC, FC_VALUES)
    param = {"num_output": 3, "kernel_h": kernel[0], "kernel_w": kernel[1]}
    target = net_of(layer("fc", "Convolution", convolution_param=param), shape=(1, channels, 30, 30))
    with pytest.raises(
        WeightsError, match=r"layer 'fc', parameter 0: .*it read 4x5x5 there, the convolution's kernel is"
    ):
        surgery.transplant(tmp_path / "fc.caffemodel", target, tmp_path / "out.caffemodel")
    assert not (tmp_path / "out.caffemodel").exists()


def test_the_net_of_the_weights_is_asked_where_the_file_does_not_say_it(tmp_path):
    np.savez(tmp_path / "fc.npz", **{"fc/0": FC_VALUES["fc"][0], "fc/1": FC_VALUES["fc"][1]})
    target = net_of(conv("fc", 3, 10), shape=(1, 1, 30, 30))
    report = surgery.transplant(tmp_path / "fc.npz", target, tmp_path / "out.caffemodel")
    assert "not checked" in report.parameters[0].reason
    with pytest.raises(WeightsError, match="it read 4x5x5 there"):
        surgery.transplant(tmp_path / "fc.npz", target, tmp_path / "out.caffemodel", from_net=FC)
    other = net_of(layer("fc", "InnerProduct", inner_product_param={"num_output": 7}))
    with pytest.raises(WeightsError, match="in the net 7x100"):
        surgery.transplant(tmp_path / "fc.npz", target, tmp_path / "out.caffemodel", from_net=other)


def test_a_file_that_ends_between_two_layers_is_told_by_its_net(tmp_path):
    two = NetParameter()
    two.CopyFrom(FC)
    two.layer.add(name="score", type="InnerProduct", bottom=[FC.layer[-1].top[0]], top=["score"])
    two.layer[-1].inner_product_param.num_output = 2
    values = {**FC_VALUES, "score": [np.ones((2, 3), np.float32), np.zeros(2, np.float32)]}
    save(tmp_path / "whole.caffemodel", two, values)
    surgery.transplant(tmp_path / "whole.caffemodel", two, tmp_path / "out.caffemodel", from_net=two)
    save(tmp_path / "cut.caffemodel", FC, FC_VALUES)
    with pytest.raises(WeightsError, match=r"cut\.caffemodel: has no parameters of layer 'score', .*cut off"):
        surgery.transplant(tmp_path / "cut.caffemodel", two, tmp_path / "out.caffemodel", from_net=two)


def test_values_without_any_shape_take_that_of_their_net(tmp_path):
    bare = NetParameter()
    bare.layer.add(name="fc").blobs.add(data=FC_VALUES["fc"][0].ravel())
    bare.layer[0].blobs.add(data=FC_VALUES["fc"][1])
    (tmp_path / "bare.caffemodel").write_bytes(bare.SerializeToString())
    target = net_of(conv("fc", 3, 5), shape=(1, 4, 9, 9))
    surgery.transplant(tmp_path / "bare.caffemodel", target, tmp_path / "out.caffemodel", from_net=FC)
    np.testing.assert_array_equal(load(tmp_path / "out.caffemodel")["fc"][0], FC_VALUES["fc"][0].reshape(3, 4, 5, 5))
    with pytest.raises(WeightsError, match="does not fit"):
        surgery.transplant(tmp_path / "bare.caffemodel", target, tmp_path / "out.caffemodel")


def test_transposed_weights_are_turned(tmp_path):
    turned = net_of(layer("fc", "InnerProduct", inner_product_param={"num_output": 3, "transpose": True}))
    values = {"fc": [FC_VALUES["fc"][0].T, FC_VALUES["fc"][1]]}
    save(tmp_path / "turned.caffemodel", turned, values)
    for target, expected in (
        (turned, FC_VALUES["fc"][0].T),
        (FC, FC_VALUES["fc"][0]),
        (net_of(conv("fc", 3, 5)), FC_VALUES["fc"][0].reshape(3, 4, 5, 5)),
    ):
        surgery.transplant(tmp_path / "turned.caffemodel", target, tmp_path / "out.caffemodel")
        np.testing.assert_array_equal(load(tmp_path / "out.caffemodel")["fc"][0], expected)
    save(tmp_path / "fc.caffemodel", FC, FC_VALUES)
    surgery.transplant(tmp_path / "fc.caffemodel", turned, tmp_path / "out.caffemodel")
    np.testing.assert_array_equal(load(tmp_path / "out.caffemodel")["fc"][0], values["fc"][0])


def test_a_matrix_is_transposed_in_blocks(tmp_path, monkeypatch):
    from caffe_fcn.surgery import adaptation
    from caffe_fcn.weights.tensors import from_array

    matrix = RNG.normal(size=(37, 53)).astype("f4")
    for block in (1, 150, 1000, 1 << 20):
        monkeypatch.setattr(adaptation, "_BLOCK", block)
        np.testing.assert_array_equal(adaptation.transposed(from_array(matrix)).load(), matrix.T)


@pytest.mark.numerics
@pytest.mark.caffe
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_a_grouped_convolution_computes_the_same_with_fewer_groups(pycaffe, tmp_path, kind):
    def grouped(group: int) -> NetParameter:
        param = {"num_output": 12, "kernel_size": [3], "group": group}
        return net_of(layer("conv", kind, convolution_param=param), shape=(1, 8, 5, 5))

    shape = (12, 2, 3, 3) if kind == "Convolution" else (8, 3, 3, 3)
    values = {"conv": [RNG.normal(size=shape).astype("f4"), RNG.normal(size=12).astype("f4")]}
    save(tmp_path / "4.caffemodel", grouped(4), values)
    for group in (1, 2, 4):
        write(grouped(group), tmp_path / f"{group}.prototxt")
        surgery.transplant(tmp_path / "4.caffemodel", grouped(group), tmp_path / f"out{group}.caffemodel")
    out = pycaffe(
        """
        for group in "124":
            folder = str(inputs["folder"])
            net = caffe.Net(folder + "/%s.prototxt" % group, folder + "/out%s.caffemodel" % group, caffe.TEST)
            net.blobs["data"].data[...] = inputs["image"]
            net.forward()
            outputs[group] = net.blobs["conv"].data
        """,
        folder=tmp_path,
        image=RNG.normal(size=(1, 8, 5, 5)).astype("f4"),
    )
    assert np.abs(out["4"]).max() > 1
    for group in "12":
        np.testing.assert_allclose(out[group], out["4"], atol=1e-5)
    with pytest.raises(WeightsError, match="does not fit"):
        surgery.transplant(tmp_path / "out1.caffemodel", grouped(4), tmp_path / "never.caffemodel")


TWO = net_of(conv("a", 2, 1), conv("b", 2, 1))
TWO_VALUES = {name: [RNG.normal(size=(2, 4, 1, 1)).astype("f4"), RNG.normal(size=2).astype("f4")] for name in "ab"}


def test_layers_meet_by_name_by_map_and_by_suffix(tmp_path):
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    out = tmp_path / "out.caffemodel"
    surgery.transplant(w, net_of(conv("x", 2, 1), conv("b", 2, 1)), out, renames={"a": "x"})
    np.testing.assert_array_equal(load(out)["x"][0], TWO_VALUES["a"][0])
    surgery.transplant(w, net_of(conv("acolor", 2, 1), conv("bcolor", 2, 1)), out, suffix="color")
    np.testing.assert_array_equal(load(out)["bcolor"][1], TWO_VALUES["b"][1])
    report = surgery.transplant(w, TWO, out, renames={"a": ""})
    told = [(each.layer, each.index, each.fate) for each in report.parameters]
    assert told[:2] == [("a", 0, "filled"), ("a", 1, "filled")]
    assert told[4:] == [("a", 0, "dropped"), ("a", 1, "dropped")]
    assert not load(out)["a"][0].any()


@pytest.mark.parametrize(
    ("renames", "told"),
    [
        ({"aa": "b"}, r"has no parameters of a layer 'aa' \(did you mean a\?\)"),
        ({"a": "c"}, r"layer 'c': the net has no layer of this name"),
        ({"a": "b"}, r"layers 'a' and 'b' both go to 'b'"),
    ],
)
def test_a_map_that_leads_nowhere_is_refused(tmp_path, renames, told):
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    with pytest.raises(CaffeFcnError, match=told):
        surgery.transplant(w, TWO, tmp_path / "out.caffemodel", renames=renames)


def test_strict_refuses_what_is_dropped_and_what_is_missing_and_writes_nothing(tmp_path):
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    out = tmp_path / "out.caffemodel"
    surgery.transplant(w, TWO, out, strict=True)
    out.unlink()
    with pytest.raises(WeightsError, match="'b', parameter 0 is dropped"):
        surgery.transplant(w, net_of(conv("a", 2, 1)), out, strict=True)
    with pytest.raises(WeightsError, match="'c', parameter 0 is filled"):
        surgery.transplant(w, net_of(conv("a", 2, 1), conv("b", 2, 1), conv("c", 1, 1)), out, strict=True)
    assert not out.exists()


@pytest.mark.caffe
def test_sparse_leaves_missing_layers_to_caffes_own_fillers(pycaffe, tmp_path):
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    filler = {"weight_filler": {"type": "constant", "value": 4}}
    net = net_of(conv("a", 2, 1), conv("c", 2, 1, **filler))
    write(net, tmp_path / "net.prototxt")
    report = surgery.transplant(w, net, tmp_path / "out.caffemodel", sparse=True)
    assert fates(report)["c", 0] == "missing"
    assert load(tmp_path / "out.caffemodel").keys() == {"a"}
    out = pycaffe(
        """
        net = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
        outputs["a"], outputs["c"] = net.params["a"][0].data, net.params["c"][0].data
        """,
        net=tmp_path / "net.prototxt",
        weights=tmp_path / "out.caffemodel",
    )
    np.testing.assert_array_equal(out["a"], TWO_VALUES["a"][0])
    assert (out["c"] == 4).all()


@pytest.mark.numerics
@pytest.mark.caffe
def test_layers_that_share_their_weights_share_them_still(pycaffe, tmp_path):
    shared = [{"name": "w"}, {"name": "b"}]
    net = net_of({**conv("a", 2, 1), "param": shared}, {**conv("twin", 2, 1), "param": shared})
    write(net, tmp_path / "net.prototxt")
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    surgery.transplant(w, net, tmp_path / "out.caffemodel")
    out = pycaffe(
        """
        net = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
        net.blobs["data"].data[...] = 1
        net.forward()
        outputs["a"], outputs["twin"] = net.blobs["a"].data, net.blobs["twin"].data
        """,
        net=tmp_path / "net.prototxt",
        weights=tmp_path / "out.caffemodel",
    )
    expected = TWO_VALUES["a"][0].sum(axis=(1, 2, 3)) + TWO_VALUES["a"][1]
    for name in ("a", "twin"):
        np.testing.assert_allclose(out[name][0, :, 0, 0], expected, rtol=1e-5)


def test_a_layer_of_another_shape_is_refused_with_both_shapes(tmp_path):
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    with pytest.raises(WeightsError, match=r"'a', parameter 0: .*2x4x1x1 there, 3x4x1x1 here \(.*leave it out: a=\)"):
        surgery.transplant(w, net_of(conv("a", 3, 1)), tmp_path / "out.caffemodel")


def test_weights_that_share_no_layer_with_the_net_are_refused(tmp_path):
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    with pytest.raises(WeightsError, match="no layer has the name"):
        surgery.transplant(w, net_of(conv("other", 2, 1)), tmp_path / "out.caffemodel")


def test_float16_and_float64_weights_become_what_every_caffe_reads(tmp_path):
    values = {
        f"a/{i}": array.astype(kind) for i, (array, kind) in enumerate(zip(TWO_VALUES["a"], ("f2", "f8"), strict=True))
    }
    np.savez(tmp_path / "w.npz", **values)
    surgery.transplant(tmp_path / "w.npz", net_of(conv("a", 2, 1)), tmp_path / "out.caffemodel")
    written = NetParameter.FromString((tmp_path / "out.caffemodel").read_bytes())
    (found,) = [each for each in written.layer if each.name == "a"]
    assert len(found.blobs[0].data) == 8
    np.testing.assert_array_equal(load(tmp_path / "out.caffemodel")["a"][0], values["a/0"].astype("f4"))


def test_a_net_can_be_transplanted_onto_its_own_file(tmp_path):
    w = save(tmp_path / "w.caffemodel", TWO, TWO_VALUES)
    surgery.transplant(w, net_of(conv("a", 2, 1)), w)
    np.testing.assert_array_equal(load(w)["a"][0], TWO_VALUES["a"][0])
    assert load(w).keys() == {"a"}


def test_the_command_tells_every_parameter_and_its_fate(tmp_path, cli):
    save(tmp_path / "fc.caffemodel", FC, {**FC_VALUES})
    write(net_of(conv("conv", 3, 5), conv("score", 2, 1)), tmp_path / "net.prototxt")
    ran = cli(
        *("surgery", "transplant", "--weights", tmp_path / "fc.caffemodel", "--to-net", tmp_path / "net.prototxt"),
        *("-o", tmp_path / "out.caffemodel", "--map", "fc=conv", "--json"),
    )
    assert ran.status == 0
    told = json.loads(ran.out)["parameters"]
    assert [(each["layer"], each["index"], each["fate"]) for each in told] == [
        ("conv", 0, "reshaped"),
        ("conv", 1, "copied"),
        ("score", 0, "filled"),
        ("score", 1, "filled"),
    ]
    assert told[0]["source"] == {"layer": "fc", "index": 0}
    assert told[0]["shape"] == [3, 4, 5, 5]
