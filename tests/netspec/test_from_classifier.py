"""An image classifier becomes an FCN that real Caffe takes, aligned at every size; or what is in its way is named."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import reference
from caffe_worker import CaffeWorker, PyCaffe
from classifiers import CLASSIFIERS

from caffe_fcn import NetSpec, netspec, offsets, proto, surgery
from caffe_fcn import layers as L
from caffe_fcn.errors import NetError
from caffe_fcn.net import padding
from caffe_fcn.net.diff import differences
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec import from_classifier

FCN_STRIDES = (32, 16, 8)


def deploy_of(name: str, stride: int = 32, classes: int = 5) -> Any:
    return netspec.build(from_classifier(CLASSIFIERS[name](), classes, stride), "deploy")


def layers_of(net: Any) -> dict[str, Any]:
    return {layer.name: layer for layer in net.layer}


def crops_of(net: Any) -> dict[str, tuple[int, ...]]:
    found = offsets.crops(net)
    assert all(crop.ok for crop in found)
    return {crop.layer: crop.declared for crop in found}


def test_caffenet_becomes_the_published_fcn_alexnet() -> None:
    classifier = reference.net("bvlc_reference_caffenet", "deploy")
    ours = netspec.build(from_classifier(classifier, 21, 32), "deploy")
    published = netspec.build("voc-fcn-alexnet", "deploy")
    # they differ in what fills the upsampling: there by surgery, here by Caffe
    assert {(each.where, each.field) for each in differences(ours, published)} == {
        ("layer 'upscore'", "convolution_param.group"),
        ("layer 'upscore'", "convolution_param.weight_filler.type"),
    }
    assert crops_of(ours) == {"score": (18,)}


def test_vgg16_has_the_published_crop_offsets() -> None:
    assert crops_of(deploy_of("vgg16", 32)) == {"score": (19,)}
    assert crops_of(deploy_of("vgg16", 16)) == {"score_pool4c": (5,), "score": (27,)}
    assert crops_of(deploy_of("vgg16", 8)) == {"score_pool4c": (5,), "score_pool3c": (9,), "score": (31,)}
    published, ours = (infer(net).blobs for net in (netspec.build("voc-fcn8s", "deploy"), deploy_of("vgg16", 8)))
    assert {name: shape[2:] for name, shape in ours.items()} == {name: shape[2:] for name, shape in published.items()}


def test_googlenet_keeps_its_padding_and_loses_its_pooling() -> None:
    classifier = reference.net("bvlc_googlenet", "deploy")
    ours, published = (
        netspec.build(net, "deploy") for net in (from_classifier(classifier, 21, 32), "voc-fcn32s-googlenet")
    )
    assert differences(ours, published) == []


@pytest.mark.parametrize("stride", FCN_STRIDES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_size_from_the_classifiers_up_is_scored_at_every_pixel(name: str, stride: int) -> None:
    net = deploy_of(name, stride)
    size = infer(CLASSIFIERS[name]()).blobs["data"][2:]
    crops, period = padding.prove(net, (size[0], size[1]))
    assert crops
    assert period >= min(stride, from_classifier(CLASSIFIERS[name](), 5, stride).backbone.stride)
    for height, width in ((230, 301), (331, 260)):
        assert infer(net, size=(height, width)).blobs["score"] == (1, 5, height, width)


@pytest.mark.parametrize(
    ("name", "pools"),
    [
        ("vgg16", {16: "pool4", 8: "pool3"}),
        ("resnet", {16: "res4b_relu", 8: "res3b_relu"}),
        ("resnet-v1.5", {16: "res4b_relu", 8: "res3b_relu"}),
        ("nin", {16: "pool2", 8: "pool0"}),
        ("densenet", {16: "pool3", 8: "pool2"}),
        ("squeezenet", {8: "pool4"}),
        ("senet", {16: "scaled4", 8: "scaled3"}),
    ],
)
def test_skips_come_from_the_poolings_of_their_strides_or_the_last_blobs(name: str, pools: dict[int, str]) -> None:
    net = from_classifier(CLASSIFIERS[name](), 5, 8)
    assert {stride: pool for stride, pool in net.backbone.skips.items() if stride >= 8} == pools
    made = layers_of(netspec.build(net, "deploy"))
    assert [name for name in made if name.startswith("fuse_")] == [f"fuse_{pool}" for pool in pools.values()]


def test_a_trunk_finer_than_asked_for_is_scored_at_its_own_stride() -> None:
    net = from_classifier(CLASSIFIERS["lenet"](), 5, 32)
    assert net.stride == net.backbone.stride == 4
    made = layers_of(netspec.build(net, "deploy"))
    assert list(made["upscore"].convolution_param.stride) == [4]
    assert list(made["ip1"].convolution_param.kernel_size) == [4]
    assert "flat" not in made
    assert made["input"].input_param.shape[0].dim[1] == 1


def test_layers_beside_the_path_stay_what_they_are() -> None:
    made = layers_of(deploy_of("senet"))
    assert made["fc3_down"].type == "InnerProduct"
    assert made["pool3_squeeze"].pooling_param.global_pooling
    assert not {"classifier", "pool"} & made.keys()


def test_statistics_are_the_classifiers_while_training() -> None:
    net = from_classifier(CLASSIFIERS["resnet"](), 5)
    for phase in ("train", "val"):
        norms = [layer for layer in netspec.build(net, phase).layer if layer.type == "BatchNorm"]
        assert len(norms) == 29
        assert all(layer.batch_norm_param.use_global_stats for layer in norms)


def test_dropout_is_only_for_training() -> None:
    net = from_classifier(CLASSIFIERS["nin"](), 5)
    train, deploy = (layers_of(netspec.build(net, phase)) for phase in ("train", "deploy"))
    assert list(train["conv4"].bottom) == ["drop"]
    assert list(deploy["conv4"].bottom) == ["pool3"]
    assert "drop" not in deploy


def test_an_old_net_is_a_classifier_too(tmp_path: Path) -> None:
    path = tmp_path / "v1.prototxt"
    path.write_text(
        """
        input: "image" input_dim: [10, 3, 32, 32]
        layers { name: "conv1" type: CONVOLUTION bottom: "image" top: "conv1"
                 convolution_param { num_output: 8 kernel_size: 5 stride: 2 pad: 2 } }
        layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
        layers { name: "fc2" type: INNER_PRODUCT bottom: "pool1" top: "fc2" inner_product_param { num_output: 8 } }
        layers { name: "fc3" type: INNER_PRODUCT bottom: "fc2" top: "fc3" inner_product_param { num_output: 3 } }
        """
    )
    made = layers_of(netspec.build(from_classifier(proto.read_net(path), 5), "deploy"))
    assert list(made["conv1"].bottom) == ["data"]
    assert list(made["fc2"].convolution_param.kernel_size) == [8]


# What prevents the conversion


def with_end(lay: Callable[[NetSpec], None], size: int = 64) -> Any:
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, size, size]})
    n.conv1 = L.Convolution(n.data, num_output=4, kernel_size=3, stride=2, pad=1)
    lay(n)
    return n.to_proto()


def spp(n: NetSpec) -> None:
    n.spp = L.SPP(n.conv1, spp_param={"pyramid_height": 3})
    n.fc = L.InnerProduct(n.spp, num_output=10)


def recurrent(n: NetSpec) -> None:
    n.steps = L.Reshape(n.conv1, shape={"dim": [1024, 1, 4]})
    n.going = L.DummyData(shape={"dim": [1024, 1]})
    n.lstm = L.LSTM(n.steps, n.going, recurrent_param={"num_output": 4})
    n.fc = L.InnerProduct(n.lstm, num_output=10, axis=2)


def two_images(n: NetSpec) -> None:
    n.other = L.Input(shape={"dim": [1, 3, 64, 64]})
    n.conv2 = L.Convolution(n.other, num_output=4, kernel_size=3, stride=2, pad=1)
    n.both = L.Concat(n.conv1, n.conv2)
    n.fc = L.InnerProduct(n.both, num_output=10)


def mask(n: NetSpec) -> None:
    n.mask = L.Input(shape={"dim": [1, 4]})
    n.scaled = L.Scale(n.conv1, n.mask, axis=0)
    n.fc = L.InnerProduct(n.scaled, num_output=10)


def generator(n: NetSpec) -> None:
    n.image = L.Deconvolution(n.conv1, convolution_param={"num_output": 3, "kernel_size": 2, "stride": 2})


def sums(n: NetSpec) -> None:
    n.a = L.InnerProduct(n.conv1, num_output=10)
    n.b = L.InnerProduct(n.conv1, num_output=10)
    n.sum = L.Eltwise(n.a, n.b)


def taken(n: NetSpec) -> None:
    n.score = L.Convolution(n.conv1, num_output=8, kernel_size=3, pad=1)
    n.fc = L.InnerProduct(n.score, num_output=10)


def none(n: NetSpec) -> None:
    n.pool = L.Pooling(n.data, kernel_size=2, stride=2)
    n.fc = L.InnerProduct(n.pool, num_output=10)


def tall(n: NetSpec) -> None:
    n.pool = L.Pooling(n.conv1, kernel_h=2, kernel_w=1, stride_h=2, stride_w=1)
    n.fc = L.InnerProduct(n.pool, num_output=10)


@pytest.mark.parametrize(
    ("lay", "message"),
    [
        (spp, r"layer 'spp' \(SPP\): prevents the conversion"),
        (recurrent, r"layer 'fc' \(InnerProduct\)"),
        (two_images, r"layer 'fc' .*classifies 2 images \('data', 'other'\)"),
        (mask, r"layer 'mask' .*is an input besides the image"),
        (generator, r"layer 'image' \(Deconvolution\): cannot follow a classifier"),
        (sums, r"layer 'sum' \(Eltwise\): cannot follow a classifier"),
        (taken, r"layer 'score': has, or makes a blob of, a name that the head needs"),
        (none, r"layer 'fc': classifies the image itself"),
        (tall, r"layer 'pool' \(Pooling\): has not one whole stride"),
    ],
)
def test_the_layer_in_the_way_is_named(lay: Callable[[NetSpec], None], message: str) -> None:
    with pytest.raises(NetError, match=message):
        from_classifier(with_end(lay), 5)


def test_a_stride_that_no_layer_has_is_reported() -> None:
    def jump(n: NetSpec) -> None:
        n.conv2 = L.Convolution(n.conv1, num_output=4, kernel_size=8, stride=8)
        n.fc = L.InnerProduct(n.conv2, num_output=10)

    with pytest.raises(NetError, match=r"no blob of stride 8 .*it has 16, 2"):
        from_classifier(with_end(jump), 5, 8)
    assert from_classifier(with_end(jump), 5, 16).backbone.stride == 16


# Real Caffe.


@pytest.mark.caffe
@pytest.mark.parametrize("stride", FCN_STRIDES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_real_caffe_makes_the_same_shapes(name: str, stride: int, caffe: CaffeWorker) -> None:
    net = deploy_of(name, stride)
    channels = infer(net).blobs["data"][1]
    for size in ((230, 245), (289, 257)):
        real = caffe.ask("shapes", proto.to_text(net), reshape={"data": [1, channels, *size]})
        ours = infer(net, size=size)
        assert {blob: tuple(shape) for blob, shape in real["blobs"].items() if "_split_" not in blob} == ours.blobs
        assert {layer: list(map(tuple, shapes)) for layer, shapes in real["params"].items()} == {
            layer: shapes for layer, shapes in ours.params.items() if shapes
        }


@pytest.mark.caffe
@pytest.mark.parametrize("zoo", ["bvlc_alexnet", "bvlc_googlenet"])
def test_real_caffe_takes_the_published_classifiers(zoo: str, caffe: CaffeWorker) -> None:
    classifier = reference.net(zoo, "deploy")
    for stride in FCN_STRIDES:
        net = netspec.build(from_classifier(classifier, 21, stride), "deploy", size=(240, 300))
        real = caffe.ask("shapes", proto.to_text(net))
        assert tuple(real["blobs"]["score"]) == (1, 21, 240, 300)


@pytest.mark.numerics
@pytest.mark.caffe
def test_scores_are_the_classifiers_at_every_position(tmp_path: Path, pycaffe: PyCaffe) -> None:
    classifier, fcn = tmp_path / "classifier.prototxt", tmp_path / "fcn.prototxt"
    weights, moved = tmp_path / "classifier.caffemodel", tmp_path / "fcn.caffemodel"
    n = CLASSIFIERS["lenet"]()
    for layer in n.layer:
        for param in (layer.convolution_param, layer.inner_product_param):
            if param.num_output:
                param.weight_filler.type = "xavier"
    proto.write(n, classifier)
    net = from_classifier(n, 10)
    pad = net.backbone.pad
    proto.write(netspec.build(net, "deploy", size=(40, 44)), fcn)
    pycaffe('caffe.Net(str(inputs["net"]), caffe.TEST).save(str(inputs["to"]))', net=classifier, to=weights)
    surgery.transplant(weights, fcn, moved, renames={"ip2": "score_fr"}, from_net=classifier)

    image = np.random.default_rng(0).normal(size=(1, 1, 40, 44)).astype(np.float32)
    wide = np.pad(image, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    places = [(0, 0), (3, 5), (7, 2), (9, 10)]
    windows = np.concatenate([wide[:, :, 4 * i : 4 * i + 28, 4 * j : 4 * j + 28] for i, j in places])
    made = pycaffe(
        """
        net = caffe.Net(str(inputs["fcn"]), str(inputs["moved"]), caffe.TEST)
        net.blobs["data"].data[...] = inputs["image"]
        outputs["dense"] = net.forward(blobs=["score_fr"])["score_fr"].copy()
        net = caffe.Net(str(inputs["classifier"]), str(inputs["weights"]), caffe.TEST)
        net.blobs["data"].reshape(*inputs["windows"].shape)
        net.blobs["data"].data[...] = inputs["windows"]
        outputs["each"] = net.forward(blobs=["ip2"])["ip2"].copy()
        """,
        fcn=fcn,
        moved=moved,
        classifier=classifier,
        weights=weights,
        image=image,
        windows=windows,
    )
    dense = np.stack([made["dense"][0, :, i, j] for i, j in places])
    np.testing.assert_allclose(dense, made["each"], rtol=1e-3, atol=1e-5)


def database(path: Path, records: list[np.ndarray]) -> None:
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for index, array in enumerate(records):
            channels, height, width = array.shape
            datum = proto.Datum(channels=channels, height=height, width=width, data=array.tobytes())
            transaction.put(b"%08d" % index, datum.SerializeToString())


@pytest.mark.caffe
@pytest.mark.parametrize("name", ["lenet", "resnet"])
def test_real_caffe_trains_and_tests_by_the_files_that_the_command_writes(
    name: str, cli: Callable[..., Any], tmp_path: Path, caffe_bin: Path
) -> None:
    classifier = tmp_path / "deploy.prototxt"
    proto.write(CLASSIFIERS[name](), classifier)
    channels = infer(CLASSIFIERS[name]()).blobs["data"][1]
    random = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for phase in ("train", "val"):
        images = [random.integers(0, 256, (channels, 70, 90), np.uint8) for _ in range(3)]
        database(tmp_path / "data" / f"{phase}_images", images)
        database(tmp_path / "data" / f"{phase}_labels", [(image[:1] > 127).astype(np.uint8) for image in images])
    ran = cli(
        *("net", "from-classifier", classifier, "--classes", 2, "--stride", 8, "-o", tmp_path / "fcn"),
        *("--source", tmp_path / "data"),
    )
    assert ran.status == 0
    files = ["train.prototxt", "val.prototxt", "deploy.prototxt", "solver.prototxt"]
    assert ran.out.split() == [str(tmp_path / "fcn" / file) for file in files]
    path = tmp_path / "fcn" / "solver.prototxt"
    solver = proto.read_solver(path)
    solver.MergeFrom(proto.SolverParameter(max_iter=2, iter_size=1, test_interval=1, display=1, solver_mode=0))
    solver.test_iter[:] = [2]
    proto.write(solver, path)
    done = subprocess.run(
        [caffe_bin, "train", "-solver", path.name], cwd=path.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Optimization Done." in done.stderr
    assert done.stderr.count("Test net output #0: loss = 0.69") >= 2  # ln 2: the score layers start at zero


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", 0], "classes"),
        (["--classes", 5, "--stride", 7], "'7' is not one of"),
        ([], "needs --classes N, or a --source whose dataset.json says it"),
        (["--classes", 5, "--pad", 3], "score"),
        (["--classes", 5, "--size", "0x3"], "0x3"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    arguments: list[object], message: str, cli: Callable[..., Any], tmp_path: Path
) -> None:
    proto.write(CLASSIFIERS["vgg16"](), tmp_path / "deploy.prototxt")
    ran = cli("net", "from-classifier", tmp_path / "deploy.prototxt", "-o", tmp_path / "out", *arguments)
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert not (tmp_path / "out").exists()


def test_a_stride_finer_than_all_that_can_be_asked_for_is_reported(cli: Callable[..., Any], tmp_path: Path) -> None:
    proto.write(CLASSIFIERS["lenet"](), tmp_path / "deploy.prototxt")
    line = ["net", "from-classifier", tmp_path / "deploy.prototxt", "--classes", 5, "-o", tmp_path / "out"]
    note = "note: the classifier's last features come at stride 4, finer than --stride 8: so do the scores\n"
    assert note in cli(*line, "--stride", 8).err
    assert note not in cli(*line).err


def test_the_stride_to_take_is_named(cli: Callable[..., Any], tmp_path: Path) -> None:
    """As of SqueezeNet, whose last features come at stride 16."""

    def sixteen(n: NetSpec) -> None:
        n.conv2 = L.Convolution(n.conv1, num_output=4, kernel_size=8, stride=8)
        n.fc = L.InnerProduct(n.conv2, num_output=10)

    proto.write(with_end(sixteen), tmp_path / "deploy.prototxt")
    line = ["net", "from-classifier", tmp_path / "deploy.prototxt", "--classes", 5, "-o", tmp_path / "out"]
    ran = cli(*line, "--stride", 32)
    what = "the classifier's last features come at stride 16 (take --stride 16)"
    assert (ran.status, ran.err) == (2, f"error: --stride 32: {what}\n")
    assert not (tmp_path / "out").exists()
    assert cli(*line, "--stride", 16).status == 0
