"""The schema against Caffe's own, its caffe_pb2, and the published table; its stub against protobuf and under mypy."""

from __future__ import annotations

import ast
import contextlib
import runpy
from pathlib import Path
from typing import Any

import pytest
import reference
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from caffe_fcn.proto import schema
from caffe_fcn.proto.dialects import table

PROTO = Path(schema.__file__).parent
ROOT = PROTO.parent.parent


@pytest.fixture(scope="module")
def caffe_pb2(caffe_prefix: Path) -> Any:
    """NetParameter of Caffe's own generated module, in protobuf's default pool beside ours.

    Its code is for the protobuf of its day; the descriptor inside it is what counts, and loads today.
    """
    module = caffe_prefix / "usr/lib/python3/dist-packages/caffe/proto/caffe_pb2.py"
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.keyword)]
    serialized = next(node.value.value for node in calls if node.arg == "serialized_pb")  # type: ignore[attr-defined]
    file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return file, message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def own_file() -> descriptor_pb2.FileDescriptorProto:
    return descriptor_pb2.FileDescriptorSet.FromString((PROTO / "caffe.desc").read_bytes()).file[0]


def bvlcs_part(file: descriptor_pb2.FileDescriptorProto) -> dict[str, Any]:
    """The facts of our schema that are not a fork's: every field of a fork has a private number."""
    forks_enums = {f"{row['message']}.{row['enum']}" for row in table._read("enums.tsv")}
    found = {name: value for name, value in facts(file).items() if name not in forks_enums}
    return {name: value for name, value in found.items() if isinstance(value, dict) or value[0] < table.PRIVATE}


def facts(file: descriptor_pb2.FileDescriptorProto) -> dict[str, Any]:
    """Messages and enums as plain data, without package names."""
    found: dict[str, Any] = {}
    for message in file.message_type:
        for field in message.field:
            found[f"{message.name}.{field.name}"] = (
                field.number,
                field.label,
                field.type,
                field.type_name.removeprefix(f".{file.package}."),
                field.default_value,
                field.options.packed,
            )
        for enum in message.enum_type:
            found[f"{message.name}.{enum.name}"] = {value.name: value.number for value in enum.value}
    for enum in file.enum_type:
        found[enum.name] = {value.name: value.number for value in enum.value}
    return found


def test_every_field_of_caffes_own_schema_is_ours(caffe_pb2: Any) -> None:
    assert bvlcs_part(own_file()) == facts(caffe_pb2[0])


def test_both_schemas_read_the_same_net_in_one_process(caffe_pb2: Any) -> None:
    ours = schema.NetParameter(name="x")
    ours.layer.add(name="c", type="Convolution").convolution_param.kernel_size.append(3)
    theirs = caffe_pb2[1].FromString(ours.SerializeToString())
    assert theirs.layer[0].convolution_param.kernel_size[0] == 3
    assert schema.NetParameter.FromString(theirs.SerializeToString()) == ours


def test_every_field_of_the_published_facts_is_ours() -> None:
    ours = bvlcs_part(own_file())
    labels = {"optional": 1, "required": 2, "repeated": 3}
    for field in reference.rows("schema.csv"):
        number, label, _, kind, default, packed = ours.pop(f"{field['message']}.{field['field']}")
        assert (number, label, packed) == (int(field["number"]), labels[field["label"]], field["packed"] == "packed")
        assert not kind or kind == field["type"]
        assert default == field["default"] or float(default) == float(field["default"])
    enums: dict[str, dict[str, int]] = {}
    for row in reference.rows("enums.csv"):
        enums.setdefault(row["enum"], {})[row["value"]] = int(row["number"])
    assert ours == enums


def test_descriptor_and_stub_are_those_that_the_script_makes_of_caffe_proto() -> None:
    pytest.importorskip("grpc_tools", reason="protoc (grpcio-tools) is not installed")
    script = runpy.run_path(str(ROOT / "scripts/generate_schema.py"))
    descriptor = script["add_dialects"](script["compile_schema"](PROTO / "caffe.proto"), PROTO / "dialects")
    assert descriptor == (PROTO / "caffe.desc").read_bytes()
    assert script["make_stub"](descriptor) == (PROTO / "schema.pyi").read_text()


def stub_classes() -> dict[str, ast.ClassDef]:
    """The classes of the stub that are messages."""
    classes = [node for node in ast.parse((PROTO / "schema.pyi").read_text()).body if isinstance(node, ast.ClassDef)]
    return {node.name: node for node in classes if [ast.unparse(base) for base in node.bases] == ["Message"]}


def declarations(node: ast.ClassDef) -> dict[str, str]:
    """The attributes of a class and their types, as text."""
    found = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    return {ast.unparse(each.target): ast.unparse(each.annotation) for each in found}


def test_the_stub_declares_the_messages_that_the_module_has() -> None:
    classes = {name: value for name, value in vars(schema).items() if isinstance(value, type)}
    messages = {name for name, value in classes.items() if issubclass(value, schema.Message)} - {"Message"}
    assert stub_classes().keys() == messages == {message.name for message in own_file().message_type}


@pytest.mark.parametrize("name", stub_classes())
def test_the_stub_declares_what_protobuf_gives(name: str) -> None:
    """A new message of protobuf's own is asked for each attribute: its type, whether it can be set, whether it is."""
    kind: Any = getattr(schema, name)
    message = kind()
    attributes = declarations(stub_classes()[name])
    for attribute, declared in attributes.items():
        value = getattr(message, attribute)
        if declared == "ClassVar[_Enum]":
            assert isinstance(value, EnumTypeWrapper)
        elif declared == "ClassVar[int]":
            assert type(value) is int and getattr(kind, attribute) == value
        elif declared.startswith("Final["):
            with pytest.raises(AttributeError):
                setattr(message, attribute, value)
            declared = declared.removeprefix("Final[").removesuffix("]")
            if declared.startswith("_Scalars["):
                value.extend([_EXAMPLES[declared.removeprefix("_Scalars[").removesuffix("]")]])
                assert len(value) == 1
            elif declared.startswith("_"):
                assert f"_{type(value.add()).__name__}s" == declared
            else:
                assert type(value) is getattr(schema, declared)
        else:
            assert type(value).__name__ == declared
            is_enum = kind.DESCRIPTOR.fields_by_name[attribute].enum_type is not None
            setattr(message, attribute, value if is_enum else _EXAMPLES[declared])
    fields = {attribute for attribute, declared in attributes.items() if not declared.startswith("ClassVar[")}
    assert fields == set(kind.DESCRIPTOR.fields_by_name)


_EXAMPLES: dict[str, Any] = {"bool": True, "bytes": b"\x80", "float": 0.5, "int": 1, "str": "text"}


@pytest.mark.parametrize("name", stub_classes())
def test_the_stub_lets_ask_for_the_presence_of_the_fields_that_protobuf_lets(name: str) -> None:
    message = getattr(schema, name)()
    allowed: set[str] = set()
    for field in message.DESCRIPTOR.fields_by_name:
        with contextlib.suppress(ValueError):
            message.HasField(field)
            allowed.add(field)
    methods = {node.name: node for node in stub_classes()[name].body if isinstance(node, ast.FunctionDef)}
    assert literals(methods["HasField"]) == allowed if allowed else "HasField" not in methods
    assert literals(methods["ClearField"]) == set(message.DESCRIPTOR.fields_by_name)


def literals(method: ast.FunctionDef) -> set[str]:
    constants = [node for node in ast.walk(method) if isinstance(node, ast.Constant)]
    return {node.value for node in constants if isinstance(node.value, str)}


SNIPPET = """
from caffe_fcn.proto.schema import ConvolutionParameter, LayerParameter, NetParameter, NetState, NetStateRule

def accept(rule: NetStateRule) -> None:
    rule.min_level = 1
    rule.minimum = 1  # wrong

net = NetParameter(name="net", force_backward=None, layer=[LayerParameter(name="data"), {"name": "conv"}])
NetParameter(names="net")  # wrong
layer = net.layer.add(name="conv", bottom=["data"])
net.layer.add(bottom=[1])  # wrong
accept(layer.include.add(phase=0, stage=["fine"]))
accept(NetState(phase=0))  # wrong
param: ConvolutionParameter = layer.convolution_param
layer.convolution_param = param  # wrong
layer.convolution_param.CopyFrom(param)
layer.convolution_param.CopyFrom(layer.pooling_param)  # wrong
param.kernel_size.append(3)
param.kernel_size.append("3")  # wrong
param.num_output = "3"  # wrong
layer.HasField("convolution_param")
layer.HasField("convolutional_param")  # wrong
layer.HasField("bottom")  # wrong
layer.ClearField("bottom")
names: list[str] = [each.name for each in net.layer]
numbers: list[int] = [each.name for each in net.layer]  # wrong
"""


def test_mypy_finds_the_wrong_uses_of_messages_and_accepts_the_right_ones(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api", reason="mypy is not installed")
    source = tmp_path / "snippet.py"
    source.write_text(SNIPPET)
    output, _, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path), str(source)])
    reported = {int(line.split(":")[1]) for line in output.splitlines() if ": error:" in line}
    assert reported == {number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# wrong")}
