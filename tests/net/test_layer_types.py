"""The table of layer types is the one place that knows types: elsewhere their names stand only for a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import ROOT

from caffe_fcn import proto
from caffe_fcn.engines.torch import registry
from caffe_fcn.net.layer_types import LAYER_TYPES, layer_type

PACKAGE = ROOT / "caffe_fcn"
# The rows, the classes, and what becomes of types in other languages or of other languages' nets
HOMES = ("net/layer_types/", "engines/torch/layers/", "interop/onnx/", "interop/torch_code/", "interop/torchvision/")

# Where else a type may be named, which ones, and why.
ALLOWED = {
    "engines/readers/image_pairs.py": ({"DenseImageData", "ImageSegData"}, "the classes that read them, by type"),
    "checks/target_rules.py": (
        {"Sigmoid", "Swish"},
        "writes nets: examples, of a type that a target has and one that it lacks",
    ),
    "interop/bundle_net.py": ({"ArgMax", "Scale", "Softmax"}, "writes nets: what a bundle appends to its net"),
    "interop/bundle_target.py": (None, "writes nets: which layers take the place of what a target lacks"),
    "proto/upgrade.py": (None, "the schema's own history: which type each V0 and V1 name became"),
    "net/diff.py": ({"Split"}, "the one layer that Caffe itself adds to a net that it saves"),
    "net/graph.py": ({"Input"}, "writes nets: the layer that takes an image in"),
    "netspec/convolutionize.py": ({"Convolution"}, "writes nets: what an InnerProduct becomes"),
    "netspec/data.py": ({"Data", "ImageData", "Input", "Python"}, "writes nets: the data layers of a phase"),
    "netspec/spec.py": ({"Parameter"}, "the end of a message's name, not a type"),
    "netspec/to_bvlc.py": (None, "writes nets: which layers of BVLC's a fork's layer becomes"),
    "offsets.py": ({"Crop"}, "writes nets: the layer that lays one blob on another"),
    "workspace/forms/trials.py": ({"Split"}, "a word on a page, of data sets, not a type"),
}


def names_in(path: Path) -> Iterator[tuple[int, str]]:
    """The layer types that a module names as strings, each with its line."""
    tree = ast.parse(path.read_text())
    exported = {
        id(name)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets)
        for name in ast.walk(node.value)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in LAYER_TYPES and id(node) not in exported:
            yield node.lineno, node.value


def test_a_layer_type_is_named_only_in_its_row_its_class_and_where_a_reason_is_given() -> None:
    strays = []
    needed = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith(HOMES):
            continue
        allowed, _ = ALLOWED.get(module, (set(), ""))
        for line, name in names_in(path):
            needed.add(module)
            if allowed is not None and name not in allowed:
                strays.append(f"caffe_fcn/{module}:{line} names '{name}': a fact of a type belongs in its row")
    assert not strays, "\n".join(strays)
    assert needed == ALLOWED.keys(), "a module that names no type needs no reason"


def test_no_module_guesses_from_a_types_name_what_its_row_says() -> None:
    guesses = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in ("endswith", "startswith")
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "type"
    ]
    assert guesses == []


@pytest.mark.parametrize("name", LAYER_TYPES)
def test_a_row_names_messages_and_fields_of_the_schema(name: str) -> None:
    row = LAYER_TYPES[name]
    own = getattr(proto.LayerParameter(), row.param_name) if row.param_name else None
    fillers = row.fillers(proto.LayerParameter(type=name))
    fields = {*row.unset_means, *(row.frozen_by or {}), *(filler.field for filler in fillers if filler.field)}
    assert fields <= ({field.name for field in own.DESCRIPTOR.fields} if own is not None else set())


def test_every_type_of_the_old_format_has_a_row() -> None:
    types = proto.V1LayerParameter.DESCRIPTOR.enum_types_by_name["LayerType"].values_by_name
    net = proto.NetParameter(layers=[{"type": name} for name in types if name != "NONE"])
    proto.upgrade_net(net)
    assert {layer.type for layer in net.layer} <= LAYER_TYPES.keys()


def test_what_is_known_of_an_unknown_type_is_nothing() -> None:
    row = layer_type("Unheard")
    assert row.kind is None and row.origin is None and row.affine is None and not row.loss
    assert row.coords(proto.LayerParameter()) is None, "no coordinate leads through a layer that nobody knows"


def test_every_row_of_bvlcs_caffe_is_computed_by_a_class_or_is_a_source() -> None:
    pytest.importorskip("torch")
    import caffe_fcn.engines.torch  # noqa: F401  # registers the classes

    without = {name for name, row in LAYER_TYPES.items() if name not in registry._CLASSES and row.origin is None}
    assert {name for name in without if not LAYER_TYPES[name].fork} == {"HDF5Output"}
