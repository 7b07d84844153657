"""The schema against Caffe's own: its caffe_pb2, in this process and in the same net; and the published table."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import reference
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from caffe_fcn.proto import schema


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
    data = Path(schema.__file__).with_name("caffe.desc").read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(data).file[0]


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
    assert facts(own_file()) == facts(caffe_pb2[0])


def test_both_schemas_read_the_same_net_in_one_process(caffe_pb2: Any) -> None:
    ours = schema.NetParameter(name="x")
    ours.layer.add(name="c", type="Convolution").convolution_param.kernel_size.append(3)
    theirs = caffe_pb2[1].FromString(ours.SerializeToString())
    assert theirs.layer[0].convolution_param.kernel_size[0] == 3
    assert schema.NetParameter.FromString(theirs.SerializeToString()) == ours


def test_every_field_of_the_published_facts_is_ours() -> None:
    ours = facts(own_file())
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


def test_the_descriptor_is_the_one_that_protoc_makes_of_caffe_proto(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="protoc (grpcio-tools) is not installed")
    source = Path(schema.__file__).with_name("caffe.proto")
    made = tmp_path / "caffe.desc"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source.parent}", f"--descriptor_set_out={made}", source]
    subprocess.run(command, check=True)
    assert made.read_bytes() == source.with_name("caffe.desc").read_bytes()
