"""Joint augmentation from the data set to the blobs of both engines, and through interrupted trainings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffe_fcn import engines, proto
from caffe_fcn.augmentation.joint_augmentation import Augmentation
from caffe_fcn.engines import solver_state
from caffe_fcn.engines.events import Step
from caffe_fcn.engines.readers import open_data_layers
from caffe_fcn.engines.readers.augmentation import merge_sources
from caffe_fcn.engines.solver_nets import read_nets
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.proto import NetParameter
from caffe_fcn.weights import open_weights

Cli = Callable[..., Any]
HEIGHT, WIDTH, IMAGES, STEP = 24, 20, 3, 10
ALL = "default,crop=16x12"
GEOMETRY = "flip,scale=0.5:2,rotate=180,crop=28x12"
MEAN = (104.0, 117.0, 123.0)  # blue, green, red
SCALE = 1 / 127  # of the net m2nist-fcn
INSIDE = 200  # the red of every pixel of the images

pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")


from caffe_fcn.engines.torch.net import Net  # noqa: E402 - needs torch
from caffe_fcn.engines.torch.training.distributed import ONE_PROCESS  # noqa: E402
from caffe_fcn.engines.torch.training.net_runner import DataOptions, NetRunner  # noqa: E402


def label_of(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The class of a place: neighbours have others."""
    return (3 * row + 7 * column) % 20


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that say where each of their pixels lies, in green the row and in blue the column, with `label_of` it."""
    from caffe_fcn import datasets
    from caffe_fcn.datasets.formats import folder

    root = tmp_path_factory.mktemp("places")
    row, column = np.indices((HEIGHT, WIDTH))
    for name in ("images", "labels"):
        (root / name).mkdir()
    for number in range(IMAGES):
        image = np.stack([np.full_like(row, INSIDE), STEP * row, STEP * column], axis=2).astype(np.uint8)
        Image.fromarray(image).save(root / f"images/{number}.png")
        Image.fromarray(label_of(row, column).astype(np.uint8)).save(root / f"labels/{number}.png")
    names = [f"class {number}" for number in range(20)]
    options = datasets.ImportOptions(shuffle=False)
    folder.build(root / "set", root / "images", root / "labels", val_percent=0, classes=names, options=options)
    return root / "set"


@pytest.fixture
def build(cli: Cli, dataset: Path, tmp_path: Path) -> Callable[..., Path]:
    """Build a small net for the data set; returns its folder."""

    def run(name: str, *options: object) -> Path:
        mean = ",".join(map(str, MEAN))
        given = ["--source", dataset, "--mean", mean, "--batch", 1, *options]
        ran = cli("net", "build", "m2nist-fcn", *given, "-o", tmp_path / name)
        assert ran.status == 0, ran.err
        return tmp_path / name

    return run


def write_solver(folder: Path, **more: Any) -> Path:
    solver = proto.read_solver(folder / "solver.prototxt")
    for name, value in {"display": 1, "average_loss": 1, "random_seed": 5, "iter_size": 2, **more}.items():
        setattr(solver, name, value)
    solver.max_iter, solver.snapshot = 6, 3  # three iterations see each image twice: Caffe resumes at the first one
    proto.write(solver, folder / "solver.prototxt")
    return folder / "solver.prototxt"


def blobs_by_torch(folder: Path, count: int) -> list[dict[str, np.ndarray]]:
    """Image and label of the first passes of a training."""
    message = read_nets(proto.read_solver(folder / "solver.prototxt"))[0]
    runner = NetRunner(message, [], 0, _cpu(), DataOptions(5, ONE_PROCESS, 0, {}))
    made = []
    for _ in range(count):
        list(runner.run_batches(1))
        runner.repeat_batch()
        made.append({name: runner.net.blobs[name].numpy().copy() for name in ("data", "label")})
    return made


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def blobs_by_caffe(pycaffe: Callable[..., Any], folder: Path, count: int) -> list[dict[str, np.ndarray]]:
    """The same by pycaffe, which finds the layer in the file beside the net alone."""
    source = """
    sys.path.insert(0, "")
    net = caffe.Net("train.prototxt", caffe.TRAIN)
    for i in range(int(inputs["count"])):
        net.forward()
        for name in ("data", "label"):
            outputs["%s%d" % (name, i)] = net.blobs[name].data.copy()
    """
    made = pycaffe(source, cwd=folder, count=count)
    return [{name: made[f"{name}{number}"] for name in ("data", "label")} for number in range(count)]


def losses(folder: Path, engine: str, snapshot: Path | None = None, **options: Any) -> dict[int, float]:
    """The loss of each iteration of a training."""
    with engines.train(folder / "solver.prototxt", [], snapshot, engine=engine, **options) as training:
        return {event.iteration: event.loss for event in training if isinstance(event, Step)}


def parameters(path: Path) -> dict[str, list[np.ndarray]]:
    with open_weights(path) as opened:
        return {layer.name: [tensor.load() for tensor in layer.tensors] for layer in opened.layers if layer.tensors}


@pytest.mark.caffe
def test_both_engines_make_the_same_bytes(
    build: Callable[..., Path], pycaffe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build("net", "--augment", ALL)
    monkeypatch.chdir(folder)
    ours, theirs = blobs_by_torch(folder, 8), blobs_by_caffe(pycaffe, folder, 8)
    for mine, its in zip(ours, theirs, strict=True):
        for name in ("data", "label"):
            assert mine[name].tobytes() == its[name].tobytes()
    assert len({blobs["data"].tobytes() for blobs in ours}) == 8


@pytest.mark.caffe
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_image_and_label_stay_in_step(
    build: Callable[..., Path], pycaffe: Callable[..., Any], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pixel of an augmented image says where it comes from, and its label is that of this place."""
    folder = build("net", "--augment", GEOMETRY)
    monkeypatch.chdir(folder)
    made = blobs_by_caffe(pycaffe, folder, 12) if engine == "caffe" else blobs_by_torch(folder, 12)
    checked = outside = 0
    for blobs in made:
        assert blobs["data"].shape == (1, 3, 28, 12) and blobs["label"].shape == (1, 1, 28, 12)
        blue, green, red = blobs["data"][0] / SCALE + np.array(MEAN, np.float32)[:, None, None]
        label = blobs["label"][0, 0]
        row, column = green / STEP, blue / STEP
        halves = [abs(place % 1 - 0.5) < 1e-3 for place in (row, column)]  # the nearest is a matter of rounding
        whole = (abs(red - INSIDE) < 1e-3) & ~halves[0] & ~halves[1]
        np.testing.assert_array_equal(label[whole], label_of(np.rint(row), np.rint(column))[whole])
        beyond = blobs["data"][0, 2] == 0  # the mean's red
        assert (label[beyond] == 255).all() and not blobs["data"][0][:, beyond].any()
        checked, outside = checked + whole.sum(), outside + beyond.sum()
    assert checked > 1000 and outside > 100


@pytest.mark.caffe
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_resumed_training_sees_what_an_unbroken_one_sees(build: Callable[..., Path], engine: str) -> None:
    unbroken, resumed = (build(name, "--augment", ALL) for name in ("unbroken", "resumed"))
    for folder in (unbroken, resumed):
        write_solver(folder)
    expected = losses(unbroken, engine)
    for name in ("train_iter_3.caffemodel", "train_iter_3.solverstate"):
        shutil.copy(unbroken / "snapshot" / name, resumed / "snapshot" / name)
    found = losses(resumed, engine, resumed / "snapshot/train_iter_3.solverstate")
    assert found == {iteration: loss for iteration, loss in expected.items() if iteration >= 3}
    ours, theirs = (parameters(folder / "snapshot/train_iter_6.caffemodel") for folder in (resumed, unbroken))
    for name, blobs in theirs.items():
        for mine, its in zip(ours[name], blobs, strict=True):
            np.testing.assert_array_equal(mine, its)


@pytest.mark.caffe
@pytest.mark.long
def test_torch_goes_on_from_caffes_snapshot(build: Callable[..., Path]) -> None:
    folder = build("net", "--augment", ALL)
    write_solver(folder)
    theirs = losses(folder, "caffe")
    state = folder / "snapshot/train_iter_3.solverstate"
    ours = losses(folder, "torch", state)
    assert ours.keys() == {3, 4, 5, 6}
    np.testing.assert_allclose([*ours.values()], [theirs[each] for each in ours], rtol=2e-4)
    # the state that torch wrote counts its batches from Caffe's snapshot
    assert solver_state.read(folder / "snapshot/train_iter_6.solverstate").position.batches[0] == 6  # type: ignore[union-attr]


@pytest.mark.caffe
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_training_with_augmentation_differs_from_one_without(build: Callable[..., Path], engine: str) -> None:
    plain, augmented = build("plain"), build("augmented", "--augment", "flip")
    for folder in (plain, augmented):
        write_solver(folder)
    without, with_flips = losses(plain, engine), losses(augmented, engine)
    assert without.keys() == with_flips.keys() and without != with_flips


@pytest.mark.long
def test_processes_that_share_a_training_augment_as_one_does(build: Callable[..., Path]) -> None:
    """Two with iter_size 1 see what one sees with iter_size 2."""
    one, two = build("one", "--augment", ALL), build("two", "--augment", ALL)
    write_solver(one)
    write_solver(two, iter_size=1)
    np.testing.assert_allclose(
        [*losses(two, "torch", nproc=2).values()][:-1], [*losses(one, "torch").values()][:-1], rtol=1e-4
    )


def test_the_test_phase_changes_nothing(build: Callable[..., Path]) -> None:
    net = proto.read_net(build("net", "--augment", ALL) / "train.prototxt")
    image = np.random.default_rng(0).normal(size=(1, 3, HEIGHT, WIDTH)).astype(np.float32)
    label = np.zeros((1, 1, HEIGHT, WIDTH), np.float32)
    alone = NetParameter(layer=[layer for layer in net.layer if layer.type in ("Data", "Python")])
    made = Net(alone, "val").forward(data_original=image, label_original=label)
    np.testing.assert_array_equal(made["data"].numpy(), image)
    np.testing.assert_array_equal(made["label"].numpy(), label)


def test_a_net_that_runs_alone_counts_its_own_passes(build: Callable[..., Path]) -> None:
    net = proto.read_net(build("net", "--augment", ALL) / "train.prototxt")
    alone = NetParameter(layer=[layer for layer in net.layer if layer.type in ("Data", "Python")])
    image = np.random.default_rng(0).normal(size=(2, 3, HEIGHT, WIDTH)).astype(np.float32)
    label = np.random.default_rng(1).integers(0, 20, (2, 1, HEIGHT, WIDTH)).astype(np.float32)
    layer = Augmentation(net.layer[2].python_param.param_str)
    running = Net(alone, "train")
    for number in range(3):
        made = running.forward(data_original=image, label_original=label)
        expected = layer([image, label], number)
        np.testing.assert_array_equal(made["data"].numpy(), expected[0])
        np.testing.assert_array_equal(made["label"].numpy(), expected[1])


# What a prototxt cannot do


@pytest.mark.parametrize("module", ["joint_augmentation", "os", "evil"])
def test_no_module_that_a_net_names_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass JointAugmentation: pass\n")
    (tmp_path / "joint_augmentation.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Other: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "Other" if module == "joint_augmentation" else "JointAugmentation"
    net = NetParameter()
    source = net.layer.add(name="in", type="Input", top=["x"])
    source.input_param.shape.add(dim=[1, 3, 4, 4])
    layer = net.layer.add(name="augmentation", type="Python", bottom=["x"], top=["y"])
    layer.python_param.module, layer.python_param.layer = module, name
    with pytest.raises(NetError, match=f"Python layer.*shapes are known only to its code|{name}"):
        Net(net, "train")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("param", ["", "__import__('os').system('true')", '{"bottoms": [{"kind": "label"}], "x": 1}'])
def test_a_param_str_that_is_not_one_names_the_layer(param: str) -> None:
    net = NetParameter()
    net.layer.add(name="in", type="Input", top=["x"]).input_param.shape.add(dim=[1, 3, 4, 4])
    layer = net.layer.add(name="augmentation", type="Python", bottom=["x"], top=["y"])
    layer.python_param.module, layer.python_param.layer = "joint_augmentation", "JointAugmentation"
    layer.python_param.param_str = param
    with pytest.raises(NetError, match=r"layer 'augmentation' \(Python\): param_str"):
        Net(net, "train")


def test_an_augmentation_and_its_data_layers_are_one_source_of_a_training(build: Callable[..., Path]) -> None:
    net = proto.read_net(build("net", "--augment", ALL) / "train.prototxt")
    assert open_data_layers(net, True, 0).keys() == {"augmentation"}
    assert open_data_layers(net, False, 0).keys() == {"data_original", "label_original"}
    sources = [layer for layer in merge_sources(net).layer if not layer.bottom]
    assert [list(layer.top) for layer in sources] == [["data", "label"]]
    net.layer.add(name="also", type="Silence", bottom=["data_original"])
    assert open_data_layers(net, True, 0).keys() == {"data_original", "augmentation"}
    assert [layer.name for layer in merge_sources(net).layer if not layer.bottom] == ["data_original", "augmentation"]


def test_a_training_augments_what_data_layers_make(build: Callable[..., Path]) -> None:
    net = proto.read_net(build("net", "--augment", ALL) / "train.prototxt")
    twice = proto.LayerParameter(name="scaled", type="Power", bottom=["data_original"], top=["scaled"])
    net.layer.insert(2, twice)
    next(layer for layer in net.layer if layer.type == "Python").bottom[0] = "scaled"
    with pytest.raises(NetError, match=r"layer 'augmentation'.*augments 'scaled', which no data layer makes"):
        merge_sources(net)


def test_an_image_of_another_size_than_its_label_is_named(build: Callable[..., Path]) -> None:
    net = proto.read_net(build("net", "--augment", ALL) / "train.prototxt")
    net.layer[0].transform_param.crop_size = 8
    reader = open_data_layers(net, True, 0)["augmentation"]
    with pytest.raises(DatasetError, match=r"layer 'augmentation'.*one size, not 1x3x8x8 and 1x1x24x20"):
        reader.batch(0)
