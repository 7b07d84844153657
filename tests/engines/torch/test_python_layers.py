"""Python data layers in the torch engine: trainings with them have the losses that real Caffe has.

Each of the reference's data sets is laid out on disk as it is published, and its layer is the one that the catalogue
writes. The nets are a convolution of 1x1 and a softmax, begun from the same weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import published_samples as made
import pytest

from caffe_fcn import engines, netspec, proto
from caffe_fcn.engines import events
from caffe_fcn.engines.events import Event, Step
from caffe_fcn.engines.readers import open_data_layers, python_layers
from caffe_fcn.engines.readers.layer_blob import LayerBlob
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.training import read_log

pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")

from caffe_fcn.engines.torch.net import Net
from caffe_fcn.engines.torch.training.snapshots import save
from caffe_fcn.engines.torch.training.solver import Solver

ITERATIONS = 6
CLOSE = 2e-5  # a log has six digits, and scores are sums of at most seven products of float32
NAMES = ["a", "b", "c", "d"]
LABELS = {"label": 60, "sem": 33, "geo": 3}
CHANNELS = {"data": 3, "color": 3, "hha": 3, "depth": 1}


def write_sets(root: Path) -> None:
    """All data sets in the places that the catalogue's nets expect below a folder."""
    made.sbdd(root / "sbdd/dataset", {"train": NAMES})
    made.voc(root / "pascal/VOC2011", {"seg11valid": ["y", "x", "z"]})
    made.nyud(root / "nyud", {"trainval": ["5001", "5002", "5003"], "test": ["5001", "5004"]})
    made.siftflow(root / "sift-flow", {"trainval": NAMES, "test": ["b", "e"]})
    made.pascal_context(root / "pascal", root / "pascal-context", {"train": NAMES, "val": ["m", "n"]})


def data_layer(name: str, phase: str, source: Path) -> LayerParameter:
    layer = netspec.build(name, phase=phase, source=str(source)).layer[0]
    assert layer.type == "Python"
    return layer


def write_net(path: Path, source: LayerParameter) -> Path:
    """A net that scores each pixel by the images of a data layer, with a loss for each of its labels."""
    net = NetParameter(layer=[source])
    images = [top for top in source.top if top not in LABELS]
    net.layer.add(name="images", type="Concat", bottom=images, top=["images"])
    for label in (top for top in source.top if top in LABELS):
        score = net.layer.add(name=f"score_{label}", type="Convolution", bottom=["images"], top=[f"score_{label}"])
        score.convolution_param.num_output = LABELS[label]
        score.convolution_param.kernel_size.append(1)
        score.convolution_param.weight_filler.type = "gaussian"
        score.convolution_param.weight_filler.std = 0.01
        bottoms = [f"score_{label}", label]
        loss = net.layer.add(name=f"loss_{label}", type="SoftmaxWithLoss", bottom=bottoms, top=[f"loss_{label}"])
        loss.loss_param.ignore_label = made.VOID
    proto.write(net, path)
    return path


def write_solver(folder: Path, more: str = "") -> Path:
    path = folder / "solver.prototxt"
    path.write_text(
        f'train_net: "train.prototxt" base_lr: 1e-4 lr_policy: "fixed" momentum: 0.9 display: 1 '
        f'max_iter: {ITERATIONS} snapshot_prefix: "snap" snapshot_after_train: false solver_mode: CPU {more}'
    )
    return path


def write_start(folder: Path) -> Path:
    path = folder / "start.caffemodel"
    shapes = {top: (1, CHANNELS.get(top, 1), 20, 20) for top in proto.read_net(folder / "train.prototxt").layer[0].top}
    save(Net(folder / "train.prototxt", "train", seed=5, inputs=shapes), path)
    return path


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, Step)]


def scores(reported: list[Event]) -> list[float]:
    return [value for event in reported if isinstance(event, events.Test) for _, value in event.outputs]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sets")
    write_sets(root)
    return root


@pytest.mark.caffe
@pytest.mark.parametrize(
    "name",
    ["voc-fcn-alexnet", "nyud-fcn32s-color-hha", "nyud-fcn32s-color-d", "siftflow-fcn32s", "pascalcontext-fcn8s"],
)
def test_a_training_with_the_references_layer_has_caffes_losses(
    place: Path, source: Path, name: str, caffe_bin: Path
) -> None:
    write_net(place / "train.prototxt", data_layer(name, "train", source))
    write_net(place / "test.prototxt", data_layer(name, "val", source))
    solver = write_solver(place, 'test_net: "test.prototxt" test_iter: 3 test_interval: 3')
    weights = write_start(place)
    with engines.train(solver, [weights], engine="caffe", caffe=caffe_bin) as training:
        theirs = list(training)
    with Solver(solver, weights=[weights]) as training:
        ours = list(training.solve())
    assert len(losses(ours)) == ITERATIONS + 1
    assert len({*losses(ours)}) > 2  # of more than one image
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=CLOSE)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=CLOSE)


@pytest.mark.caffe
def test_the_command_trains_voc_and_scores_what_it_trained_by_both_engines(
    place: Path, source: Path, cli: Callable[..., Any]
) -> None:
    """Batches are read ahead by worker processes here."""
    write_net(place / "train.prototxt", data_layer("voc-fcn8s", "train", source))
    solver, weights = write_solver(place), write_start(place)
    losses_by = {}
    for engine in ("caffe", "torch"):
        ran = cli("train", solver, "--engine", engine, "--weights", weights, "--log", f"{engine}.log", "--quiet")
        assert ran.status == 0, ran.err
        losses_by[engine] = [loss for _, loss in read_log(f"{engine}.log").losses()]
    np.testing.assert_allclose(losses_by["torch"], losses_by["caffe"], rtol=CLOSE)


# A layer as people write them: the tops get their shape once, and what comes next is the layer's own business.

USERS_LAYER = """
import numpy as np

try:
    from caffe import Layer
except ImportError:
    Layer = object


class Counting(Layer):
    def setup(self, bottom, top):
        settings = dict(pair.split("=") for pair in self.param_str.split(","))
        self.step = float(settings["step"])
        self.count = 0
        top[0].reshape(int(settings["batch"]), 3, 4, 5)
        top[1].reshape(top[0].num, 1, top[0].height, top[0].width)

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        self.count += 1
        top[0].data[...] = np.arange(top[0].count).reshape(tuple(top[0].shape)) % 7 * self.step * self.count
        top[1].data[:, 0] = (np.arange(top[1].height)[:, None] + self.count + self.phase) % 60
        top[1].data[:, 0, 0, :2] = 255

    def backward(self, top, propagate_down, bottom):
        pass
"""

USERS = """name: "data" type: "Python" top: "data" top: "label"
    python_param { module: "users_layers" layer: "Counting" param_str: "step=0.5,batch=2" }"""


@pytest.fixture
def users_layer(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    (place / "users_layers.py").write_text(USERS_LAYER)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.syspath_prepend(place)
    import users_layers

    yield users_layers.Counting
    del sys.modules["users_layers"]
    python_layers._registered.pop("Counting", None)


@pytest.mark.caffe
def test_a_programs_own_layer_trains_as_in_pycaffe(place: Path, users_layer: type, caffe_bin: Path) -> None:
    layer = LayerParameter()
    proto.parse(USERS, layer)
    write_net(place / "train.prototxt", layer)
    write_net(place / "test.prototxt", layer)
    solver = write_solver(place, 'test_net: "test.prototxt" test_iter: 2 test_interval: 3')
    weights = write_start(place)
    python_layers.register_layer(users_layer)
    with engines.train(solver, [weights], engine="caffe", caffe=caffe_bin) as training:
        theirs = list(training)
    with Solver(solver, weights=[weights], workers=2) as training:
        ours = list(training.solve())
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=CLOSE)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=CLOSE)


def test_a_programs_own_layer_makes_any_batch_and_runs_only_where_it_is_registered(
    place: Path, users_layer: type
) -> None:
    net = NetParameter()
    proto.parse(f"layer {{ {USERS} }}", net)
    with pytest.raises(NetError, match="runs in pycaffe only"):
        open_data_layers(net, True, 0)
    python_layers.register_layer(users_layer)
    batches = [open_data_layers(net, True, 0)["data"].batch(number)[0] for number in range(4)]
    reader = open_data_layers(net, True, 0)["data"]
    for number in (2, 3, 3, 0, 1):
        np.testing.assert_array_equal(reader.batch(number)[0], batches[number])
        assert batches[number].max() == 6 * 0.5 * (number + 1)


@pytest.mark.caffe
def test_a_blob_is_reshaped_as_pycaffes(pycaffe: Callable[..., dict[str, np.ndarray]], place: Path) -> None:
    shapes = [(2, 3), (1, 4, 1, 1), (3, 1, 2, 2), (6,), (0, 5), (2, 3, 2, 1)]
    (place / "net.prototxt").write_text('layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }')
    source = """
        blob = caffe.Net(str(inputs['net']), caffe.TEST).blobs['x']
        for i, shape in enumerate(inputs['shapes'].item().decode().split(';')):
            blob.reshape(*map(int, shape.split(',')))
            outputs['d%d' % i] = blob.data.copy()
            outputs['s%d' % i] = [blob.count, blob.num, blob.channels, blob.height, blob.width] + list(blob.shape)
            blob.data[...] = np.arange(blob.count).reshape(blob.data.shape) + i
    """
    text = ";".join(",".join(map(str, shape)) for shape in shapes)
    theirs = pycaffe(source, net=place / "net.prototxt", shapes=np.bytes_(text))
    blob = LayerBlob()
    for i, shape in enumerate(shapes):
        blob.reshape(*shape)
        if i:  # an Input's first values are nobody's
            np.testing.assert_array_equal(blob.data.ravel()[:6], theirs[f"d{i}"].ravel()[:6])
        about = [blob.count, blob.num, blob.channels, blob.height, blob.width, *blob.shape]
        assert about == theirs[f"s{i}"].tolist()
        blob.data[...] = np.arange(blob.count).reshape(blob.data.shape) + i


@pytest.mark.parametrize("shape", [(-1, 2), (1,) * 33, (2**20, 2**20), (1.5,), ("3",)])
def test_a_blob_refuses_what_is_no_shape(shape: tuple[Any, ...]) -> None:
    with pytest.raises((ValueError, TypeError)):
        LayerBlob().reshape(*shape)


def test_param_str_is_never_run_and_modules_of_a_net_are_never_imported(place: Path, users_layer: type) -> None:
    (place / "evil.py").write_text("raise SystemExit('imported')")
    for module, layer, param in (
        ("evil", "Evil", ""),
        ("evil", "VOCSegDataLayer", "__import__('evil')"),
        ("voc_layers", "VOCSegDataLayer", "dict(voc_dir='x', split='val')"),
    ):
        message = LayerParameter(name="d", type="Python", top=["data", "label"])
        message.python_param.module, message.python_param.layer = module, layer
        message.python_param.param_str = param
        with pytest.raises(NetError):
            open_data_layers(NetParameter(layer=[message]), True, 0)
    assert "evil" not in sys.modules


DAMAGED = {
    "voc-fcn8s": ("pascal/VOC2011/SegmentationClass/y.png", "pascal/VOC2011/JPEGImages/y.jpg"),
    "nyud-fcn32s-color": ("nyud/segmentation/img_5001.mat", "nyud/data/images/img_5001.png"),
    "siftflow-fcn8s": (f"sift-flow/GeoLabels/{made.SIFT}/b.mat", f"sift-flow/SemanticLabels/{made.SIFT}/b.mat"),
    "pascalcontext-fcn8s": ("pascal-context/trainval/m.mat", "pascal/VOC2010/JPEGImages/m.jpg"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_line_that_names_its_image(tmp_path: Path, name: str) -> None:
    write_sets(tmp_path)
    net = NetParameter(layer=[data_layer(name, "val", tmp_path)])
    for path in DAMAGED[name]:
        whole = (tmp_path / path).read_bytes()
        for content in (b"", b"junk" * 100, whole[: len(whole) // 2], whole[:130]):
            (tmp_path / path).write_bytes(content)
            with pytest.raises(DatasetError) as caught:
                open_data_layers(net, False, 0)["data"].batch(0)
            assert str(caught.value).startswith("layer 'data' (Python), image ")
            assert "\n" not in str(caught.value)
        (tmp_path / path).write_bytes(whole)
    assert open_data_layers(net, False, 0)["data"].batch(0)


def test_a_size_is_asked_for_only_where_it_tells_a_shape(tmp_path: Path, cli: Callable[..., Any]) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
        layer { name: "p" type: "Python" bottom: "x" %s python_param { module: "m" layer: "L" } }"""
    path = tmp_path / "net.prototxt"
    path.write_text(text % 'top: "y"')
    ran = cli("net", "show", path, "--size", "9x9")
    assert ran.status == 2
    assert "known only to its code (take it out of the net, or tell" in ran.err
    path.write_text(text % "")
    assert cli("net", "show", path).status == 0  # one that makes nothing has no shape to know
    path.write_text('layer { name: "p" type: "Python" top: "data" python_param { module: "m" layer: "L" } }')
    assert "give a --size HxW" in cli("net", "show", path).err
    assert cli("net", "show", path, "--size", "9x9").status == 0
