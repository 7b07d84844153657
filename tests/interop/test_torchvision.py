"""torchvision's nets in Caffe: the imported net must give in real Caffe what torch gives, from the same state dict."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import saved_weights
from caffe_worker import CaffeWorker
from command import Ran
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caffe_fcn import netspec, proto, surgery
from caffe_fcn.description import model_json
from caffe_fcn.errors import CaffeFcnError, EngineError, NetError, WeightsError
from caffe_fcn.interop.torchvision.archs import ARCHS
from caffe_fcn.interop.torchvision.importing import import_torch
from caffe_fcn.interop.torchvision.state_dict import read_state_dict
from caffe_fcn.interop.torchvision.verification import compare_import, require_torchvision
from caffe_fcn.netspec import from_classifier
from caffe_fcn.surgery.donors import Donor

torch = pytest.importorskip("torch", reason="a .pth file needs the extra 'torch'")

import torchvision_nets as nets  # noqa: E402 - needs torch
from safetensors.torch import save_file  # noqa: E402

from caffe_fcn.engines.torch import Net  # noqa: E402

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
VGG11, VGG16, RESNET18, RESNET50 = (1, 1, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 2, 2), (3, 4, 6, 3)

# Each architecture as a net of few channels, and the sizes of the images
SMALL: dict[str, tuple[Callable[[], Any], list[tuple[int, int]]]] = {
    "alexnet": (lambda: nets.alexnet(4, 5), [(224, 224), (225, 225), (447, 224)]),
    "vgg11": (lambda: nets.vgg(VGG11, 2, 5), [(224, 224), (225, 239), (448, 224)]),
    "vgg16_bn": (lambda: nets.vgg(VGG16, 2, 5, normalized=True), [(225, 225)]),
    "squeezenet1_0": (lambda: nets.SqueezeNet((6, 7), "MFFFMFFFFMF", 4, 5), [(64, 64), (75, 90)]),
    "squeezenet1_1": (lambda: nets.SqueezeNet((6, 3), "MFFMFFMFFFF", 4, 5), [(64, 64), (75, 90)]),
    "googlenet": (lambda: nets.GoogLeNet(4, 5), [(64, 64), (75, 90)]),
    "resnet18": (lambda: nets.ResNet(RESNET18, 4, 5, bottleneck=False), [(64, 64), (75, 90)]),
    "resnet50": (lambda: nets.ResNet(RESNET50, 2, 5, bottleneck=True), [(64, 64), (75, 90)]),
    "resnext50_32x4d": (lambda: nets.ResNet(RESNET50, 4, 5, bottleneck=True, groups=4), [(64, 64)]),
    "mobilenet_v2": (lambda: nets.mobilenet_v2(4, 5), [(64, 64), (75, 90)]),
    "densenet121": (lambda: nets.densenet((6, 12, 24, 16), 2, 5), [(64, 64), (75, 90)]),
    "fcn_resnet50": (lambda: nets.Segmenter(RESNET50, 2, 5, atrous=False), [(64, 64), (72, 104)]),
    "deeplabv3_resnet50": (lambda: nets.Segmenter(RESNET50, 2, 5, atrous=True), [(64, 64), (72, 104)]),
}


def make(name: str, seed: int = 0) -> Any:
    """A small net with random parameters."""
    return nets.randomize(SMALL[name][0](), seed)


def save(net: Any, path: Path, **options: Any) -> Path:
    torch.save(net.state_dict(), path, **options)
    return path


def compare(caffe: CaffeWorker, arch: str, net: Any, weights: Path, size: tuple[int, int], **options: Any) -> None:
    """Import the weights, and assert that real Caffe and the torch engine give what ``net`` gives for a random image.

    Pixels are prepared here as torchvision's ToTensor and Normalize do it, and for Caffe as model.json says.
    """
    folder = weights.parent / "net"
    found = import_torch(weights, arch, folder, size, **options)
    model = model_json.read(folder)
    assert model is not None
    image = model.inputs[0]
    pixels = np.random.RandomState(0).randint(0, 256, (1, 3, *size)).astype(np.float32)
    mean, std = ([0.5] * 3, [0.5] * 3) if arch == "googlenet" else (MEAN, STD)
    with torch.no_grad():
        expected = net((torch.from_numpy(pixels / 255) - column(mean)) / column(std)).numpy()
    assert np.ptp(expected) > 0.01 * np.abs(expected).max()
    given = pixels[:, ::-1] if image.order == "BGR" else pixels
    given = ((given - np.float32(image.mean).reshape(3, 1, 1)) * image.scale).astype(np.float32)
    text = (folder / "deploy.prototxt").read_text()
    theirs = caffe.run(text, {"data": given}, weights=found.weights)
    assert theirs is not None, "Caffe refuses it"
    ours = Net(proto.read_net(folder / "deploy.prototxt"), weights=found.weights, phase="TEST")
    out = model.outputs[0].blob
    for made in (theirs[f"blob/{out}"], ours.forward(data=given)[out].numpy()):
        atol = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(made.reshape(expected.shape), expected, rtol=0, atol=atol)


def column(values: list[float]) -> Any:
    return torch.tensor(values).reshape(3, 1, 1)


@pytest.mark.caffe
@pytest.mark.parametrize("arch", SMALL)
def test_a_net_gives_what_torch_gives(arch: str, tmp_path: Path, caffe: CaffeWorker) -> None:
    net = make(arch)
    weights = save(net, tmp_path / "net.pth")
    for size in SMALL[arch][1]:
        compare(caffe, arch, net, weights, size)
        compare(caffe, arch, net, weights, size, bgr=True, plain=True)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "checkpoint", "parallel", "double"])
def test_every_form_of_a_state_dict_gives_the_same_weights(form: str, tmp_path: Path) -> None:
    net = make("mobilenet_v2")
    state = net.state_dict()
    path = tmp_path / "other.pth"
    if form == "safetensors":
        save_file(state, path)
    elif form == "checkpoint":
        torch.save({"epoch": 3, "state_dict": state}, path)
    elif form == "parallel":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    elif form == "double":
        save(net.double(), path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    usual = import_torch(save(make("mobilenet_v2"), tmp_path / "net.pth"), "mobilenet_v2", tmp_path / "usual")
    other = import_torch(path, "mobilenet_v2", tmp_path / "other")
    assert other.weights.read_bytes() == usual.weights.read_bytes()


def test_the_names_in_published_densenets(tmp_path: Path) -> None:
    """Their files have denselayer1.norm.1 for what the module calls denselayer1.norm1."""
    state = make("densenet121").state_dict()
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".norm2.", ".norm.2.").replace(".conv1.", ".conv.1."): each
        for name, each in state.items()
    }
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "old.pth")
    import_torch(tmp_path / "old.pth", "densenet121", tmp_path / "net")


class Malicious:
    """A pickle that makes a file when it is loaded as pickles are."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle", "inside"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(
    form: str, tmp_path: Path, cli: Callable[..., Ran]
) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    evil: Any = Malicious(mark)
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(evil))
    else:
        content = {**make("resnet18").state_dict(), "fc.bias": evil} if form == "inside" else evil
        torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    ran = cli("import", "torch", path, "--arch", "resnet18", "-o", tmp_path / "net")
    assert ran.status == 2
    assert ran.err.startswith(f"error: {path}: ")
    assert len(ran.err.splitlines()) == 1
    assert not mark.exists()
    assert not (tmp_path / "net").exists()
    if form == "plain pickle":  # the file does what it is said to do
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert mark.exists()


def test_a_whole_model_is_refused_with_what_to_save(tmp_path: Path) -> None:
    torch.save(make("resnet18"), tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"needs the code of .*save a state dict"):
        import_torch(tmp_path / "model.pth", "resnet18", tmp_path / "net")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("layer2.0.bn1.weight"), "has no tensor 'layer2.0.bn1.weight'"),
        (lambda state: state.update({"layer5.0.x": torch.ones(1)}), "tensor 'layer5.0.x': has no place"),
        (
            lambda state: state.update({"fc.weight": torch.ones(5, 31)}),
            "tensor 'fc.weight': is 5x31, and 5x32 is needed",
        ),
        (lambda state: state.update({"fc.weight": torch.ones(())}), "tensor 'fc.weight': is scalar"),
        (lambda state: state.update({"conv1.weight": torch.ones(0, 3, 7, 7)}), "tensor 'conv1.weight': is 0x3x7x7"),
        (lambda state: state.update({"conv1.weight": torch.ones(4, 1, 7, 7)}), "tensor 'conv1.weight': is 4x1x7x7"),
        (lambda state: state.update({"conv1.weight": torch.ones(1).expand(4, 3, 7, 1 << 40)}), "tensor 'conv1.weight'"),
        (lambda state: state.update({"fc.bias": torch.ones(5).int()}), "tensor 'fc.bias': holds int32"),
        (lambda state: state.update({"fc.bias": torch.ones(5).to_sparse()}), "tensor 'fc.bias': holds float32 as"),
        (lambda state: state.update({"fc.bias": 3}), "tensor 'fc.bias': is a int"),
        (lambda state: state.update({"fc.bias": torch.full((5,), 1e300, dtype=torch.float64)}), "does not fit float32"),
        (lambda state: state.clear(), "has no tensors"),
        (lambda state: state.update({"fc\nbias": state.pop("fc.bias")}), "has no tensor 'fc.bias'"),
    ],
)
def test_a_wrong_state_dict_is_refused_by_the_name_of_the_tensor(
    change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path, cli: Callable[..., Ran]
) -> None:
    state = dict(make("resnet18").state_dict())
    change(state)
    torch.save(state, tmp_path / "net.pth")
    ran = cli("import", "torch", tmp_path / "net.pth", "--arch", "resnet18", "-o", tmp_path / "net")
    assert (ran.status, len(ran.err.splitlines())) == (2, 1)
    assert message in ran.err
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("arch", "other"), [("vgg11", "vgg16"), ("resnet50", "resnet18"), ("fcn_resnet50", "resnet50")]
)
def test_another_architecture_is_named(arch: str, other: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"it is a {arch}: `arch`"):
        import_torch(save(make(arch), tmp_path / "net.pth"), other, tmp_path / "net")


@pytest.mark.long
def test_every_state_dict_fits_one_architecture_alone(tmp_path: Path) -> None:
    """But that ResNeXt differs from ResNet in shapes, which the weights say."""
    for arch in ("vgg11", "squeezenet1_1", "densenet121", "mobilenet_v2", "googlenet"):
        path = save(make(arch), tmp_path / "net.pth")
        for other in ARCHS.keys() - {arch}:
            with pytest.raises(WeightsError):
                import_torch(path, other, tmp_path / "net")


@pytest.mark.parametrize(
    ("arch", "size", "message"),
    [
        ("alexnet", (300, 300), "module 'avgpool': its windows are not alike for 8 positions"),
        ("alexnet", (20, 300), "module 'features.5': nothing is left"),
        ("fcn_resnet50", (225, 224), "size: the scores are enlarged 8 times"),
        ("resnet18", (999_999, 999_999), "Caffe's blobs have 2147483647 values at most"),
    ],
)
def test_sizes_that_caffe_cannot_have(arch: str, size: tuple[int, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(NetError, match=message):
        import_torch(save(make(arch), tmp_path / "net.pth"), arch, tmp_path / "net", size)


def test_unknown_architectures_and_wrong_figures(tmp_path: Path) -> None:
    path = save(make("resnet18"), tmp_path / "net.pth")
    with pytest.raises(NetError, match="did you mean resnet18"):
        import_torch(path, "resnet19", tmp_path / "net")
    for options in ({"std": (0.2, 0, 0.2)}, {"mean": (124, 116, 104)}, {"mean": (0.5,)}, {"std": (float("nan"),) * 3}):
        with pytest.raises(NetError, match="cannot be"):
            import_torch(path, "resnet18", tmp_path / "net", **options)


@cache
def save_small(zipped: bool) -> bytes:
    """A file of two tensors, the same in each example: an old one has addresses in it, of more digits or fewer."""
    content = io.BytesIO()
    state = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}
    torch.save(state, content, _use_new_zipfile_serialization=zipped)
    return content.getvalue()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_are_errors(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cut short, or with bytes changed in the pickle, the file loads or is refused."""
    bits = bytearray(save_small(data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        bits[data.draw(st.integers(0, len(bits) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "net.pth"
    path.write_bytes(bits[: data.draw(st.integers(0, len(bits)))] if data.draw(st.booleans()) else bits)
    try:
        for tensor in read_state_dict(path).values():
            assert sum(map(len, tensor.chunks())) == tensor.nbytes
    except CaffeFcnError as error:
        assert "\n" not in str(error)


def test_storages_that_lie_about_their_size(tmp_path: Path) -> None:
    """A zip whose pickle claims more values than its file has."""
    source, path = tmp_path / "net.pth", tmp_path / "lies.pth"
    torch.save({"a.weight": torch.ones(1000)}, source)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            pickled = old.read(name)
            if name.endswith("data.pkl"):
                assert pickled.count(struct.pack("<H", 1000)) == 2
                pickled = pickled.replace(b"M" + struct.pack("<H", 1000), b"J" + struct.pack("<i", 2**31 - 1))
            new.writestr(name, pickled)
    with pytest.raises(WeightsError):
        read_state_dict(path)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(WeightsError, match="is a compressed archive"):
        read_state_dict(path)


def test_the_fcn_of_an_imported_classifier(tmp_path: Path, cli: Callable[..., Ran]) -> None:
    """Its data layers subtract the classifier's mean, blue first; a net that takes red first is refused."""
    weights = save(make("vgg11"), tmp_path / "net.pth")
    for options, status in (((), 2), (("--bgr",), 0)):
        assert cli("import", "torch", weights, "--arch", "vgg11", "-o", tmp_path / "net", *options).status == 0
        deploy = tmp_path / "net/deploy.prototxt"
        ran = cli("net", "from-classifier", deploy, "--classes", 4, "-o", tmp_path / "fcn")
        assert ran.status == status, ran.err
        assert status == 0 or "import it with --bgr" in ran.err
    described = json.loads((tmp_path / "fcn/model.json").read_text())["inputs"][0]
    assert (described["order"], described["mean"]) == ("BGR", [103.53, 116.28, 123.675])
    mean = next(layer for layer in proto.read_net(tmp_path / "fcn/train.prototxt").layer if layer.type == "Data")
    assert np.allclose(mean.transform_param.mean_value, [103.53, 116.28, 123.675])


@pytest.mark.caffe
@pytest.mark.long
def test_the_fcn_of_vgg16_is_that_of_the_same_weights_in_caffes_form(tmp_path: Path, caffe: CaffeWorker) -> None:
    """Imported and converted by `from_classifier`; or written under Caffe's names, in the catalogue's FCN.

    Both pool as Caffe does: of 224 pixels that is as in torch.
    """
    net = nets.randomize(nets.vgg(VGG16, 64, 1000, dense=4096))
    found = import_torch(save(net, tmp_path / "net.pth"), "vgg16", tmp_path / "net", bgr=True, plain=True)
    state = {name: each.numpy() for name, each in net.state_dict().items()}
    names = [f"conv{block}_{i}" for block, count in enumerate(VGG16, 1) for i in range(1, count + 1)]
    values = {}
    modules = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    for name, module in zip([*names, "fc6", "fc7"], modules, strict=False):
        values[name] = [state[f"{module}.weight"], state[f"{module}.bias"]]
    values["conv1_1"][0] = (values["conv1_1"][0] / (255 * np.array(STD).reshape(3, 1, 1)))[:, ::-1]
    published = netspec.build("voc-fcn32s", phase="deploy")
    shapes = {"fc6": (4096, 512, 7, 7), "fc7": (4096, 4096, 1, 1)}
    score = np.random.RandomState(1).normal(0, 0.01, (21, 4096, 1, 1)), np.zeros(21)
    for name, shape in shapes.items():
        values[name][0] = values[name][0].reshape(shape)
    caffes = saved_weights.save(tmp_path / "caffes.caffemodel", published, values)
    scores = saved_weights.save(tmp_path / "scores.caffemodel", published, {"score_fr": list(score)})
    design = from_classifier(proto.read_net(tmp_path / "net/deploy.prototxt"), 21)
    converted = netspec.build(design, phase="deploy")
    image = {"data": np.random.RandomState(2).normal(0, 60, (1, 3, 65, 97)).astype(np.float32)}
    outputs = []
    for text, weights in ((published, caffes), (converted, found.weights)):
        moved = tmp_path / "moved.caffemodel"
        surgery.transplant([Donor(weights), Donor(scores)], to_net=text, output=moved)
        made = caffe.run(str(text), image, weights=moved)
        assert made is not None, "Caffe refuses it"
        outputs.append(made["blob/score_fr"])
    assert outputs[0].shape == outputs[1].shape
    assert np.abs(outputs[0] - outputs[1]).max() <= 1e-4 * np.abs(outputs[0]).max()


@pytest.fixture(scope="module")
def torchvision() -> Any:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision, the judge, is not installed")
    return require_torchvision()


PUBLISHED = {
    **dict.fromkeys(("alexnet", "vgg16", "vgg16_bn", "squeezenet1_0", "googlenet", "resnet18", "resnet50"), 225),
    **dict.fromkeys(("squeezenet1_1", "mobilenet_v2", "densenet121", "resnext50_32x4d"), 225),
    **dict.fromkeys(("fcn_resnet50", "deeplabv3_resnet50", "fcn_resnet101", "deeplabv3_resnet101"), 136),
}


@pytest.mark.caffe
@pytest.mark.long
@pytest.mark.parametrize("arch", PUBLISHED)
def test_torchvisions_own_net(arch: str, torchvision: Any, tmp_path: Path, caffe: CaffeWorker) -> None:
    models, options = torchvision.models, {}
    if ARCHS[arch].segments:
        models, options = models.segmentation, {"weights_backbone": None, "aux_loss": True}
    elif arch == "googlenet":
        options = {"transform_input": True, "init_weights": False}
    net = nets.randomize(getattr(models, arch)(weights=None, **options))
    weights = save(net, tmp_path / "net.pth")
    judged: Any = (lambda pixels: net(pixels)["out"]) if ARCHS[arch].segments else net
    if arch == "googlenet":  # `compare` gives -1 to 1, and the net makes that of torchvision's usual range
        judged = lambda pixels: net((pixels * 0.5 + 0.5 - column(MEAN)) / column(STD))  # noqa: E731
    for side in (224, PUBLISHED[arch]):
        compare(caffe, arch, judged, weights, (side, side))


@pytest.mark.parametrize("options", [[], ["--bgr", "--size", "65x97"]])
def test_verify_asks_torchvision(torchvision: Any, tmp_path: Path, cli: Callable[..., Ran], options: list[str]) -> None:
    net = nets.randomize(torchvision.models.squeezenet1_1(weights=None, num_classes=7))
    weights = save(net, tmp_path / "net.pth")
    command = ["import", "torch", weights, "--arch", "squeezenet1_1", "-o", tmp_path / "net", "--verify", *options]
    done = cli(*command, "--size", "64") if not options else cli(*command)
    assert done.status == 0, done.err
    assert "(1x7): equal to torchvision, largest difference" in done.out
    done = cli(*command, "--mean", "0.5,0.5,0.5")  # another Normalize, for both
    assert done.status == 0, done.err


def test_verify_finds_a_difference(torchvision: Any, tmp_path: Path) -> None:
    net = nets.randomize(torchvision.models.squeezenet1_1(weights=None, num_classes=7))
    weights = save(net, tmp_path / "net.pth")
    made = import_torch(weights, "squeezenet1_1", tmp_path / "net", (64, 64))
    with torch.no_grad():
        net.features[3].squeeze.weight[0] *= 1.1
    compared, _ = compare_import(made, save(net, tmp_path / "other.pth"), "squeezenet1_1", engine="torch")
    assert not compared.ok
    narrow = make("squeezenet1_1")
    made = import_torch(save(narrow, tmp_path / "narrow.pth"), "squeezenet1_1", tmp_path / "narrow", (64, 64))
    with pytest.raises(EngineError, match=r"these weights are not those of torchvision's net: .*size mismatch"):
        compare_import(made, tmp_path / "narrow.pth", "squeezenet1_1", engine="torch")


def test_verify_without_torchvision(tmp_path: Path, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    weights = save(make("squeezenet1_1"), tmp_path / "net.pth")
    done = cli("import", "torch", weights, "--arch", "squeezenet1_1", "-o", tmp_path / "net", "--verify")
    assert done.status == 2 and done.err.startswith("error: torchvision: judges the net, and cannot be imported")
    assert "leave --verify out" in done.err and done.err.count("\n") == 1 and not (tmp_path / "net").exists()


def test_a_torchvision_of_another_torch_is_imported(tmp_path: Path) -> None:
    """One that names two operators of its binary when it is imported, which is not there, as torchvision 0.28 does."""
    (tmp_path / "torchvision.py").write_text(
        "import torch\n"
        "for name in ('nms', 'qnms'):\n"
        "    torch.library.register_fake(f'torchvision::{name}')(lambda dets, scores, iou_threshold: dets)\n"
        "models = 'its nets'\n"
    )
    code = "from caffe_fcn.interop.torchvision import verification\nprint(verification.require_torchvision().models)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "its nets\n"), done.stderr
