"""A damaged LMDB is refused in one line before LMDB maps it, and never kills the process; an intact one is read."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn import datasets
from caffe_fcn.datasets.formats import triangles
from caffe_fcn.datasets.inspect import statistics
from caffe_fcn.datasets.records import database, datum, lmdb_pages
from caffe_fcn.datasets.records.database import DamagedError, Database, Writer
from caffe_fcn.errors import DatasetError

PAGE = 4096


def in_a_child(script: str, cwd: Path, *arguments: object) -> str:
    """The output of a script in its own process, which must not be killed."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout


COMMANDS = """
import sys
from caffe_fcn.cli import main
from caffe_fcn.engines.readers import open_data_layers
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto import NetParameter, parse
for command in (["info"], ["info", "--check"], ["statistics"], ["lists"], ["explore", "-o", "page.html"]):
    try:
        main(["--quiet", "data", *command, sys.argv[1]])
    except SystemExit as end:
        print(end.code)
net = NetParameter()
parse(f'layer {{ name: "d" type: "Data" top: "d" data_param {{ source: "{sys.argv[1]}/val_images" batch_size: 1 '
      'backend: LMDB } }', net)
try:
    open_data_layers(net, True, 1)
except CaffeFcnError as error:
    print("refused", error)
"""


def test_a_flipped_bit_ends_commands_and_trainings_in_a_line(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 100, 4)  # the ten records for validation are on page 2
    file = tmp_path / "set" / "val_images" / "data.mdb"
    content = bytearray(file.read_bytes())
    content[8219] ^= 0x80
    file.write_bytes(content)
    said = in_a_child(COMMANDS, tmp_path, "set").splitlines()
    assert said[:5] == ["2"] * 5
    assert said[5].startswith("refused") and "val_images" in said[5] and "page 2" in said[5]


@given(st.lists(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0, 7, 900, 2100, 9000]) | st.none()))))
@settings(max_examples=60)
@pytest.mark.parametrize("key", [b"%08d", b"%d is a rather long name of an image \xff\x00 in a folder.jpg"])
def test_whatever_lmdb_wrote_passes(
    tmp_path_factory: pytest.TempPathFactory, key: bytes, transactions: list[list[tuple[int, int | None]]]
) -> None:
    """Values put, replaced and deleted by many transactions: free pages, merged pages, pages of another depth."""
    path = tmp_path_factory.mktemp("written")
    known: dict[bytes, bytes] = {}
    with lmdb.open(str(path), map_size=1 << 26, sync=False, lock=False) as environment:
        for transaction in transactions:
            with environment.begin(write=True) as open_transaction:
                for number, size in transaction:
                    name = key % number
                    if size is None:
                        open_transaction.delete(name)
                        known.pop(name, None)
                    else:
                        known[name] = bytes([number]) * size
                        open_transaction.put(name, known[name])
    if transactions:
        read = Database(path)
        assert dict(zip(read.keys(), read, strict=True)) == known
        with (path / "data.mdb").open("rb") as file:
            lmdb_pages.check(file.fileno(), path, to_write=True)


@pytest.mark.parametrize("size", [10, 900, 3000])
def test_large_databases_of_several_levels_pass(tmp_path: Path, size: int) -> None:
    with Writer(tmp_path / "db") as writer:
        for _ in range(5):
            writer.append([b"x" * size] * 700)
        writer.truncate(3000)
    with lmdb.open(str(tmp_path / "db"), readonly=True, lock=False) as environment:
        assert environment.stat()["depth"] > 1
        with environment.begin() as transaction:
            keys = list(transaction.cursor().iternext(values=False))
    assert list(Database(tmp_path / "db").keys()) == keys == [database.format_key(i) for i in range(3000)]


MUTATED = """
import random, sys
from pathlib import Path
from caffe_fcn.datasets.records.database import Database, Writer
from caffe_fcn.errors import CaffeFcnError
whole, path, page = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), 4096
trees = [n for n in range(len(whole) // page) if n < 2 or whole[n * page + 10] in (1, 2)]
refused = read = 0
for seed in range(250):
    at_random = random.Random(seed)
    content = bytearray(whole)
    for _ in range(at_random.choice([1, 1, 2, 8])):
        place = at_random.choice(trees) * page + at_random.choice([at_random.randrange(160), at_random.randrange(page)])
        content[place] ^= at_random.choice([1 << at_random.randrange(8), at_random.randrange(256)])
    (path / "data.mdb").unlink(missing_ok=True)  # a new file: the mapped one does not change
    (path / "data.mdb").write_bytes(content)
    try:
        database = Database(path)
        assert len(database) == len(database.keys())
        for index in range(len(database)):
            try:
                database[index]
            except CaffeFcnError:
                pass
        read += 1
    except CaffeFcnError as error:
        assert "\\n" not in str(error)
        refused += 1
    try:
        with Writer(path) as writer:
            writer.append([bytes(3000)] * 9)
            writer.truncate(3)
    except CaffeFcnError:
        pass
print(refused, read)
"""


def test_mutated_databases_are_refused_or_read_and_kill_no_process(tmp_path: Path) -> None:
    values = random.Random(0)
    with Writer(tmp_path / "db") as writer:
        for _ in range(6):
            writer.append([values.randbytes(values.choice([10, 700, 3000, 9000])) for _ in range(40)])
        writer.truncate(200)
        writer.append([values.randbytes(50)] * 200)
    (tmp_path / "mutated").mkdir()
    refused, read = map(int, in_a_child(MUTATED, tmp_path, "db/data.mdb", "mutated").split())
    assert refused + read == 250 and min(refused, read) > 50


def changed(path: Path, place: int, value: bytes) -> None:
    file = path / "data.mdb"
    content = bytearray(file.read_bytes())
    for meta in range(2):
        content[meta * PAGE + place : meta * PAGE + place + len(value)] = value
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("place", "value", "what"),
    [
        (16, b"\0", "not a meta page"),
        (20, b"\7", "version"),
        (24 + 16, b"\1", "pages of"),
        (88 + 4, b"\4", "flags"),
        (88 + 6, b"\1\0", "not a leaf"),
        (88 + 6, b"\x40\0", "64 levels"),
        (88 + 32, b"\x21\3", "records"),
        (88 + 40, b"\0\1", "on page"),
        (136, b"\xff\xff", "cut off"),
    ],
)
def test_wrong_figures_of_the_meta_pages_are_named(tmp_path: Path, place: int, value: bytes, what: str) -> None:
    with Writer(tmp_path / "db") as writer:
        writer.append([b"x" * 900] * 800)
    changed(tmp_path / "db", place, value)
    with pytest.raises(DamagedError, match=what) as raised:
        Database(tmp_path / "db")
    assert "\n" not in str(raised.value)


def test_keys_that_are_wrong_are_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "db") as writer:
        writer.append([b"x"] * 30)
    file = tmp_path / "db" / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"00000007", b"00000037"))
    with pytest.raises(DamagedError, match="out of order"):
        Database(tmp_path / "db")


def test_a_label_that_is_missing_is_named(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 20, 8)
    labels = tmp_path / "set" / "train_labels"
    with Writer(labels) as writer:
        writer.truncate(5)
    pairs = datasets.open(tmp_path / "set")
    with pytest.raises(DatasetError, match="has 5 records, and"):
        pairs[5]
    with pytest.raises(DatasetError, match="has 5 records, and"):
        statistics.measure(pairs.images, Database(labels))


def test_a_database_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no traceback of a destructor."""
    with Writer(tmp_path / "db") as writer:
        writer.append([datum.pack_raw(triangles.np.zeros((1, 2, 2), "u1"))])

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    strange: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", strange.append)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DatasetError.__base__, match="permission denied"):  # type: ignore[arg-type]
        Database(tmp_path / "db")
    assert strange == []


def test_the_pages_of_a_file_that_shrinks_are_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "db") as writer:
        writer.append([b"x" * 900] * 800)
    file = tmp_path / "db" / "data.mdb"
    with file.open("r+b") as opened:
        opened.truncate(PAGE * 9)
        with pytest.raises(DamagedError, match="cut off"):
            lmdb_pages.check(opened.fileno(), file)
