"""Generated modules of Caffe nets: they must give what the torch engine gives, which real Caffe judges."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from caffe_worker import CaffeWorker
from catalogue_nets import shrink_deploy_net
from drawn_weights import assert_close, draw_inputs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from layer_nets import FCN, IMAGE, LAYER_NETS
from pooling_nets import list_poolings
from prototxts import input_layer, layer
from random_nets import has_empty_windows, nets
from saved_weights import save
from torch_code_judge import Exported, run_alone

from caffe_fcn import netspec, proto
from caffe_fcn.errors import NetError
from caffe_fcn.interop.torch_code.comparison import compare_module, load_module, run_module
from caffe_fcn.interop.torch_code.exporting import read_blocks, write_torch
from caffe_fcn.interop.torch_code.layout import write_statement
from caffe_fcn.interop.torch_code.names import TAKEN, Names, write_string

SMALL = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

SHORT = ("m2nist-fcn", "unet", "segnet-basic")


@SMALL
@given(text=nets())
def test_random_nets(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assume(not has_empty_windows(text))
    Exported(text, tmp_path_factory.mktemp("net")).assert_equal()


@pytest.mark.long
@settings(SMALL, max_examples=200)
@given(text=nets())
def test_two_hundred_random_nets(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assume(not has_empty_windows(text))
    exported = Exported(text, tmp_path_factory.mktemp("net"))
    exported.assert_equal()
    exported.assert_style()


@pytest.mark.parametrize(
    "name",
    [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in netspec.catalogue()],
)
def test_the_nets_of_the_catalogue(tmp_path: Path, name: str) -> None:
    exported = Exported(proto.to_text(shrink_deploy_net(name)), tmp_path)
    exported.assert_equal()
    exported.assert_style()


@pytest.mark.long
@pytest.mark.parametrize("name", netspec.catalogue())
def test_the_nets_of_the_catalogue_are_exported_by_torch(tmp_path: Path, name: str) -> None:
    Exported(proto.to_text(shrink_deploy_net(name)), tmp_path).assert_exported()


@pytest.mark.parametrize(
    "size", [size if size in (1, 6) else pytest.param(size, marks=pytest.mark.long) for size in range(1, 41)]
)
def test_poolings_have_caffes_windows(tmp_path: Path, size: int) -> None:
    Exported(list_poolings(size), tmp_path).assert_equal()


def test_poolings_of_any_size(tmp_path: Path) -> None:
    """Windows are counted when the module runs: it takes other sizes than the one that it was written for."""
    net = load_module(Exported(list_poolings(20, range(1, 5)), tmp_path).made.files[0])
    for height, width in ((5, 13), (8, 4)):
        other = tmp_path / f"{height}"
        other.mkdir()
        exported = Exported(
            list_poolings(20, range(1, 5)).replace("dim: 20 dim: 21", f"dim: {height} dim: {width}"), other
        )
        given = draw_inputs(exported.net)
        found = {name: values.numpy() for name, values in net(*map(torch.from_numpy, given.values())).items()}
        assert_close(found, exported.net.forward(**given))


@pytest.mark.parametrize("text", LAYER_NETS)
def test_layers_that_the_random_nets_do_not_have(tmp_path: Path, text: str) -> None:
    exported = Exported(text, tmp_path)
    exported.assert_equal()
    ast.parse(exported.code)


def read_forward(code: str) -> list[str]:
    """The lines of the net's ``forward``; blocks have theirs before it."""
    *_, forward = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef) and node.name == "forward"
    ]
    return [ast.unparse(line) for line in forward.body]


def test_the_code_is_what_a_person_would_write(tmp_path: Path) -> None:
    assert read_forward(Exported(f'name: "road-fcn" {FCN}', tmp_path).code) == [
        "conv1 = self.conv1(data)",
        "conv1 = self.bn1(conv1)",
        "conv1 = self.scale1(conv1)",
        "conv1 = self.relu1(conv1)",
        "pool1 = self.pool1(conv1)",
        "score_fr = self.score_fr(pool1)",
        "up = self.up(score_fr)",
        "return crop(up, data, axis=2, offsets=[19, 19])",
    ]


def test_it_needs_torch_alone(tmp_path: Path) -> None:
    exported = Exported(f'name: "road-fcn" {FCN}', tmp_path)
    imported: set[str] = set()
    for node in ast.walk(ast.parse(exported.code)):
        if isinstance(node, ast.Import):
            imported |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported - sys.stdlib_module_names == {"torch"}
    (image,) = draw_inputs(exported.net).values()
    image.tofile(tmp_path / "image")
    run_alone(
        exported.made.files[0].parent,
        "import torch\nfrom model import RoadFcn, load\n"
        "image = torch.from_file('../image', size=3 * 37 * 41).reshape(1, 3, 37, 41)\n"
        "net = load()\nassert isinstance(net, RoadFcn) and not net.training\n"
        "torch.save(net(image), '../score')\n",
    )
    score = torch.load(tmp_path / "score", weights_only=True)
    torch.testing.assert_close(score, exported.net.forward(data=image)["score"], rtol=1e-5, atol=1e-5)


def test_any_size_runs_and_is_exported(tmp_path: Path) -> None:
    """Pooling, cropping and flattening take their sizes from the image, as in Caffe; torch.export traces all of it."""
    exported = Exported(FCN, tmp_path)
    net = load_module(exported.made.files[0])
    image = torch.randn(2, 3, 30, 52, generator=torch.Generator().manual_seed(0))
    wanted = exported.net.forward(data=image.numpy())["score"]
    torch.testing.assert_close(net(image), wanted, rtol=1e-5, atol=1e-5)
    program = torch.export.export(net, (image,))
    torch.testing.assert_close(program.module()(image), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", [FCN, list_poolings(9, range(4, 6))])
def test_real_caffe_gives_the_same(tmp_path: Path, caffe: CaffeWorker, text: str) -> None:
    exported = Exported(text, tmp_path)
    given = draw_inputs(exported.net)
    wanted = caffe.run(text, given, weights=exported.weights)
    assert wanted is not None
    found = run_module(exported.made, given)
    assert_close(found, {name: torch.from_numpy(wanted[f"blob/{name}"]) for name in found})


def test_it_can_be_trained(tmp_path: Path) -> None:
    net = load_module(Exported(FCN, tmp_path).made.files[0])
    net(torch.ones(1, 3, 37, 41)).sum().backward()
    assert all(param.grad is not None for param in net.parameters())


def test_safetensors_own_library_reads_the_weights(tmp_path: Path) -> None:
    """Its names are those of the state dict, so that any program loads them."""
    load_file = pytest.importorskip("safetensors.torch").load_file
    exported = Exported(FCN, tmp_path)
    state = load_module(exported.made.files[0]).state_dict()
    found = load_file(exported.made.files[1])
    assert {name for name in state if not name.endswith("num_batches_tracked")} == found.keys()
    assert all(torch.equal(state[name], values) for name, values in found.items())


HOSTILE = [
    'x"); import os; os.system("touch /tmp/broken")  #',
    '"""',
    "a\\nimport os",
    "forward",
    "class",
    "self",
    "__init__",
    "état/１x1",
    "1x1",
    "crop",
    "long/" * 12,
    "long" * 20,
    "\\\\",
]


def quote(text: str) -> str:
    return text.replace('"', '\\"')


def test_no_name_breaks_out_of_the_code(tmp_path: Path) -> None:
    text = f'name: "{quote(HOSTILE[0])}"' + input_layer("data", 1, 2, 5, 5)
    for index, name in enumerate(map(quote, HOSTILE)):
        bottom = "data" if index % 2 else quote(HOSTILE[index - 1]) if index else "data"
        text += (
            f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" '
            "convolution_param { num_output: 2 kernel_size: 1 } }"
        )
    exported = Exported(text, tmp_path)
    exported.assert_equal()
    exported.assert_style()
    tree = ast.parse(exported.code)
    assert [type(node) for node in tree.body].count(ast.ClassDef) == 1
    assert "os" not in {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called == {"super", "Path", "bytearray", exported.made.class_name}


@settings(SMALL, max_examples=50)
@given(texts=st.lists(st.text(max_size=60), min_size=2, max_size=6))
def test_any_text_becomes_an_identifier_of_its_own_and_a_literal(texts: list[str]) -> None:
    names = Names(TAKEN)
    chosen = [names.choose(text, "layer") for text in texts]
    assert len(set(chosen)) == len(texts)
    assert all(name.isidentifier() and name.isascii() and name not in TAKEN for name in chosen)
    assert [ast.literal_eval(write_string(text)) for text in texts] == texts


@pytest.mark.parametrize("name", ["crop", "Crop", "LSTM", "scale", "nn", "F", "", "1x1", "torch"])
def test_a_net_may_have_any_name(tmp_path: Path, name: str) -> None:
    text = (
        f'name: "{name}"' + input_layer("data", 1, 2, 3, 3) + layer("Scale", "data", "y") + layer("Crop", "y data", "z")
    )
    exported = Exported(text, tmp_path)
    exported.assert_equal()
    assert "class " + exported.made.class_name in exported.code


def test_names_of_modules_are_taken() -> None:
    assert {name for name in dir(torch.nn.Module()) if not name.startswith("_")} <= TAKEN


@pytest.mark.parametrize(
    "text, words",
    [
        (
            IMAGE
            + layer("Python", "data", "y", 'python_param { module: "m" layer: "L" } custom_param { shape { dim: 1 } }'),
            "layer 'Python' (Python): cannot be written as a torch module",
        ),
        (IMAGE + layer("Pooling", "data", "y", "pooling_param { pool: STOCHASTIC kernel_size: 2 }"), "STOCHASTIC"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(text)
    weights = save(tmp_path / "net.caffemodel", proto.read_net(deploy), {})
    with pytest.raises(NetError) as raised:
        write_torch(deploy, weights, tmp_path / "made")
    assert words in str(raised.value)
    assert not (tmp_path / "made").exists()


def test_long_statements_are_broken_into_lines() -> None:
    names = [f"inception_{index}_output_of_branch" for index in range(6)]
    assert write_statement(f"x = torch.cat([{', '.join(names)}], dim=1)", 8) == [
        "        x = torch.cat(",
        "            [",
        *[f"                {name}," for name in names],
        "            ],",
        "            dim=1,",
        "        )",
    ]


def test_the_command(tmp_path: Path, cli) -> None:
    exported = Exported(FCN, tmp_path)
    output = tmp_path / "out"
    done = cli("export", "torch", tmp_path / "deploy.prototxt", exported.weights, "-o", output, "--verify")
    assert done.status == 0, done.err
    files = [output / name for name in ("model.py", "weights.safetensors", "model.json")]
    assert done.out.splitlines()[:3] == list(map(str, files))
    assert "score (1x4x37x41): equal" in done.out
    done = cli("export", "torch", tmp_path, "-o", output, "--json", "--size", "24x30", "--mean", "1,2,3")
    assert json.loads((output / "model.json").read_text())["inputs"][0]["mean"] == [1, 2, 3]
    assert json.loads(done.out)["outputs"] == {"score": [1, 4, 24, 30]}
    assert set(output.iterdir()) == set(files)


def test_changed_weights_are_found_different(tmp_path: Path) -> None:
    exported = Exported(FCN, tmp_path)
    path = exported.made.files[1]
    data = bytearray(path.read_bytes())
    data[-4:] = np.float32(1e3).tobytes()
    path.write_bytes(data)
    assert not all(each.ok for each in compare_module(exported.made, exported.weights))


def test_every_block_is_named_by_a_writer() -> None:
    folder = Path(sys.modules["caffe_fcn.interop.torch_code.exporting"].__file__ or "").parent
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    assert all(code.count(name) > 1 for name in read_blocks())
