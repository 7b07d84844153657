"""What a file is, net or solver, text or binary, follows from its content; and what is neither is refused in a line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from google.protobuf.message import DecodeError

from caffe_fcn import proto
from caffe_fcn.errors import FileError, PrototxtError

NET = 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { %s } }'
SOLVER = 'net: "models/all.prototxt" test_iter: 1 base_lr: 0.1 max_iter: 3'
# nets with a value that BVLC's schema does not have: text, and what is said of it
UNKNOWN_VALUES = [
    ('layers { name: "i" type: 99 bottom: "a" top: "b" }', "1:26: type has no value '99' ("),
    (NET % "pool: AVG", "1:81: pool has no value 'AVG' (did you mean AVE?)"),
    ("state { phase: TRIAN } " + NET % "", "1:16: phase has no value 'TRIAN' (did you mean TRAIN?)"),
]


@pytest.mark.parametrize("flags", [[], ["--allow-unknown"]])
@pytest.mark.parametrize(("text", "message"), UNKNOWN_VALUES)
def test_an_unknown_value_is_told_as_the_nets_and_nothing_is_written(
    cli: Callable, tmp_path: Path, text: str, message: str, flags: list[str]
) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(text)
    ran = cli("net", "upgrade", net, "-o", net, *flags)
    assert ran.status == 2 and ran.err.startswith(f"error: {net}:{message}") and ran.err.count("\n") == 1
    assert net.read_text() == text
    assert cli("net", "diff", net, net, *flags).status == 2


def test_who_computes_a_layer_is_kept_and_the_rest_stays(cli: Callable, tmp_path: Path) -> None:
    net, written = tmp_path / "net.prototxt", tmp_path / "written.prototxt"
    net.write_text(NET % "pool: AVE engine: ABACUS")
    assert "engine has no value 'ABACUS'" in cli("net", "upgrade", net, "-o", written).err
    ran = cli("net", "upgrade", net, "-o", written, "--allow-unknown")
    assert ran.status == 0
    assert f"note: {net}:1:93: PoolingParameter's engine has no value 'ABACUS', kept\n" in ran.err
    assert written.read_text().split() == net.read_text().split()
    net.write_text(NET % "pool: AVE engine: MKL2017")  # of Intel's fork
    assert cli("net", "upgrade", net, "-o", written).err == ""
    assert written.read_text().split() == net.read_text().split()


@pytest.mark.parametrize("flags", [[], ["--allow-unknown"]])
@pytest.mark.parametrize("text", ["foo: 1", 'detect { a: 1 } b: "c"'])
def test_a_file_of_which_nothing_is_understood_is_refused(
    cli: Callable, tmp_path: Path, text: str, flags: list[str]
) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(text)
    ran = cli("net", "upgrade", net, "-o", net, *flags)
    assert ran.status == 2 and "NetParameter has no field" in ran.err and net.read_text() == text


@pytest.mark.parametrize("flags", [[], ["--allow-unknown"]])
@pytest.mark.parametrize("command", ["net show", "offsets", "net draw -o x.svg", "net convolutionize -o x.prototxt"])
def test_a_solver_where_a_net_is_wanted_names_its_net(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, flags: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("solver.prototxt").write_text(SOLVER)
    ran = cli(*command.split(), "solver.prototxt", *flags)
    line = "error: solver.prototxt: is a solver, not a net (name its net: models/all.prototxt)\n"
    assert (ran.status, ran.out, ran.err) == (2, "", line)
    assert [path.name for path in tmp_path.iterdir()] == ["solver.prototxt"]


@pytest.mark.parametrize("engine", ["torch", "caffe"])
def test_a_net_where_a_solver_is_wanted_is_named_one(cli: Callable, tmp_path: Path, engine: str) -> None:
    net = tmp_path / "train.prototxt"
    net.write_text(NET % "pool: AVE")
    ran = cli("train", net, "--engine", engine)
    assert ran.status == 2
    assert ran.err == f"error: {net}: is a net, not a solver (name the solver that trains it)\n"


def test_a_net_and_a_solver_with_a_mistake_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.prototxt"
    for text, message in (
        ('name: "n" nput: "data" layer { }', "NetParameter has no field 'nput'"),
        (SOLVER + " typ: 'SGD'", "SolverParameter has no field 'typ'"),
        (SOLVER + " solver_mode: TPU", "solver_mode has no value 'TPU'"),
        (SOLVER + " layer_wise_reduce: maybe", "layer_wise_reduce takes true or false"),
    ):
        path.write_text(text)
        with pytest.raises(PrototxtError, match=message):
            proto.read_net_or_solver(path)


def binary_net() -> proto.NetParameter:
    net = proto.NetParameter(name="n", input=["data"], input_dim=[1, 2, 3, 4])
    net.layer.add(name="c", type="Convolution", bottom=["data"], top=["c"]).blobs.add().data.extend([1.0] * 5000)
    return net


def binary_solver() -> proto.SolverParameter:
    return proto.SolverParameter(train_net="t", test_net=["a", "b"], test_iter=[1, 2], base_lr=0.1, net="n")


def test_binary_files_are_told_apart_by_their_fields(tmp_path: Path) -> None:
    net, solver = tmp_path / "net.bin", tmp_path / "solver.bin"
    net.write_bytes(binary_net().SerializeToString())
    solver.write_bytes(binary_solver().SerializeToString())
    assert proto.read_net_or_solver(net).layer[1].name == "c"
    assert proto.read_net_or_solver(solver) == binary_solver()
    v1 = proto.NetParameter(name="n", layers=[{"name": "l", "bottom": ["a"]}])
    net.write_bytes(v1.SerializeToString())
    assert proto.read_net_or_solver(net, upgrade=False) == v1
    with pytest.raises(PrototxtError, match=r"is a solver, not a net .name its net: n, t, a, b"):
        proto.read_net(solver)
    net.write_bytes(binary_net().SerializeToString())
    with pytest.raises(PrototxtError, match="is a net, not a solver"):
        proto.read_solver(net)


def run_with_input(content: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "caffe_fcn", *arguments]
    return subprocess.run(command, input=content, capture_output=True, check=False)


def test_standard_input_is_read_to_its_end_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = NET % "pool: AVE"
    for size, wanted in ((1 << 16, True), (64 << 20, False)):
        content = b"#" * size + b"\n" + layer.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        if wanted:
            assert len(proto.read_net("-").layer) == 1
        else:
            with pytest.raises(FileError, match="<stdin>: has more than 67108864 bytes, too many for a prototxt"):
                proto.read_net("-")


def test_a_binary_model_on_standard_input_is_what_it_is_in_a_file(tmp_path: Path) -> None:
    content = binary_net().SerializeToString()
    path = tmp_path / "net.caffemodel"
    path.write_bytes(content)
    piped, named = (
        run_with_input(content, "net", "upgrade", "-", "-o", "-"),
        run_with_input(b"", "net", "upgrade", str(path), "-o", "-"),
    )
    assert piped.returncode == named.returncode == 0 and piped.stdout == named.stdout and b'"c"' in piped.stdout
    assert b"blobs" not in piped.stdout
    cut = run_with_input(content[:-1], "net", "show", "-")
    path.write_bytes(content[:-1])
    assert cut.returncode == 2
    assert cut.stderr.replace(b"<stdin>", str(path).encode()) == run_with_input(b"", "net", "show", str(path)).stderr


def test_weights_on_standard_input_are_not_lost(tmp_path: Path) -> None:
    out = tmp_path / "out.caffemodel"
    ran = run_with_input(binary_net().SerializeToString(), "net", "upgrade", "-", "-o", str(out))
    assert ran.returncode == 2 and b"<stdin>: is a binary model" in ran.stderr and not out.exists()


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_other_encodings_are_refused_in_a_line_as_caffe_refuses_them(caffe, tmp_path: Path, codec: str) -> None:
    content = (NET % "pool: AVE").encode(codec)
    path = tmp_path / "net.prototxt"
    path.write_bytes(content)
    assert caffe.parse("NetParameter", [content]) == [None]
    with pytest.raises(PrototxtError, match=r"^[^\n]*net\.prototxt[^\n]*$"):
        proto.read_net(path)
    if codec in ("utf-8-sig", "utf-16"):
        with pytest.raises(PrototxtError, match=r"byte order mark of UTF-.* .save it as UTF-8 without the mark"):
            proto.read_net(path)


@pytest.mark.parametrize(
    ("net", "place"),
    [
        (proto.NetParameter(name="NAME"), "name"),
        (proto.NetParameter(layer=[{"name": "a"}, {"name": "NAME"}]), r"layer\[1\].name"),
        (proto.NetParameter(layers=[{"top": ["a", "NAME"]}]), r"layers\[0\].top\[1\]"),
        (proto.NetParameter(layers=[{"layer": {"name": "NAME"}}]), r"layers\[0\].layer.name"),
    ],
)
def test_a_name_in_a_binary_net_that_is_not_utf_8_is_told_with_its_place(
    cli: Callable, tmp_path: Path, net: proto.NetParameter, place: str
) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net.SerializeToString().replace(b"NAME", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(PrototxtError, match=rf"net\.caffemodel, {place}: is not UTF-8 text"):
        proto.read_net(path)
    ran = cli("net", "upgrade", path, "-o", tmp_path / "out.caffemodel")
    assert ran.status == 2 and ran.err.count("\n") == 1 and not (tmp_path / "out.caffemodel").exists()


def test_a_binary_net_nested_deeply_ends_in_a_net_or_a_line(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    content = b""
    for _ in range(5000):
        content = proto_field(100, content)
    path.write_bytes(content)  # sound: what a layer does not know is passed over, however deep
    assert len(proto.read_net(path).layer) == 1
    path.write_bytes(b"\x9b\x06" * 100_000)  # groups within groups
    with pytest.raises(PrototxtError, match=r"net\.caffemodel"):
        proto.read_net(path)


def proto_field(number: int, value: bytes) -> bytes:
    from caffe_fcn.proto import wire

    return wire.encode_key(number, wire.BYTES) + wire.encode_varint(len(value)) + value


def test_a_type_that_protobuf_drops_from_a_binary_net_is_told(cli: Callable, tmp_path: Path) -> None:
    net = tmp_path / "net.caffemodel"
    content = proto.NetParameter(layers=[{"name": "i", "type": 4}]).SerializeToString()
    net.write_bytes(content.replace(b"\x28\x04", b"\x28\x63"))
    for output in ("out.prototxt", "out.caffemodel"):
        ran = cli("net", "upgrade", net, "-o", tmp_path / output)
        assert ran.err == "note: layer 'i': BVLC Caffe does not know its type, left out\n"


@pytest.mark.parametrize("name", ["a\nb", "NAME", "x" * 10_000])
def test_a_solvers_net_is_named_in_one_short_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "solver.bin"
    solver = proto.SolverParameter(net=name, base_lr=0.1, lr_policy="fixed", test_iter=[1])
    path.write_bytes(solver.SerializeToString().replace(b"NAME", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(PrototxtError, match=r"is a solver, not a net \(name its net") as told:
        proto.read_net(path)
    assert str(told.value).isprintable() and len(str(told.value)) < 1000


def test_a_binary_net_of_millions_of_layers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"\xa2\x06\x00" * 1_000_000)
    with pytest.raises(PrototxtError, match="has more than 100000 layers"):
        proto.read_net(path)


def test_a_pipe_gives_all_its_bytes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "#" * 5000 + "\n" + NET % "pool: AVE"
    writer = Thread(target=pipe.write_text, args=(text,))
    writer.start()
    done = run_with_input(b"", "net", "upgrade", str(pipe), "-o", "-")
    writer.join()
    assert done.returncode == 0 and b"pool: AVE" in done.stdout


# Time and memory. The limits are some ten times what each takes; a parser that counts lines from the start for each
# unknown field, that copies a string for each of its pieces, or that remembers each character of one takes minutes or
# gigabytes.
LARGE = {
    "unknown fields": "'foo: 1\\n' * 300_000",
    "pieces of a string": "'name: ' + '\"a\"' * 1_000_000",
    "one long string": "'name: \"' + 'a' * 30_000_000 + '\"'",
    "one string of escapes": "'name: \"' + r'\\n' * 1_000_000 + '\"'",
    "comments": "'#\\n' * 10_000_000",
    "one long number": "'input_dim: ' + '1' * 30_000_000",
    "one long name": "'a' * 10_000_000 + ': 1'",
    "opened and never closed": "'layer { a {' * 300_000",
}
CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from caffe_fcn import proto
from caffe_fcn.errors import PrototxtError
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    proto.parse({text}, proto.NetParameter(), allow_unknown=True)
except PrototxtError as error:
    sys.exit(len(str(error)) > 300)
"""


@pytest.mark.parametrize("text", LARGE)
def test_time_and_memory_grow_with_the_length_and_no_faster(text: str) -> None:
    ran = subprocess.run([sys.executable, "-c", CHILD.format(text=LARGE[text])], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()


def test_of_many_unknown_fields_the_first_are_named_and_the_rest_are_counted(cli: Callable, tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text("foo: 1\n" * 1000 + NET % "")
    ran = cli("net", "upgrade", net, "-o", tmp_path / "out.prototxt", "--allow-unknown")
    assert ran.status == 0
    assert f"note: {net}:20:1: NetParameter has no field 'foo', kept\nnote: and 980 more, kept\n" in ran.err
    assert f"{net}:21:" not in ran.err


@pytest.mark.parametrize("text", ['# \x01\x02\nname: "a"', 'name: "\x1b"', 'layer { name: "\x00" }'])
def test_a_text_with_control_characters_is_a_text_as_for_caffe(caffe, tmp_path: Path, text: str) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    (judged,) = caffe.parse("NetParameter", [text.encode()])
    if judged is None:
        with pytest.raises(PrototxtError, match="zero byte"):
            proto.read_net(path)
    else:
        assert proto.read_net(path, upgrade=False).SerializeToString() == judged


def test_a_damaged_blob_makes_no_net_though_weights_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    blob = proto_field(5, b"123")  # floats of three bytes
    path.write_bytes(proto_field(1, b"net") + proto_field(100, proto_field(1, b"conv") + proto_field(7, blob)))
    with pytest.raises(DecodeError):
        proto.NetParameter.FromString(path.read_bytes())
    with pytest.raises(PrototxtError, match="3 bytes of field 5 are no numbers"):
        proto.read_net(path)
