"""``dataset.json`` is read strictly: an error is one line that names the field, and no file is removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn import datasets
from caffe_fcn.datasets.build import builder
from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.build.staging import STAGING, ResumeError
from caffe_fcn.datasets.formats import triangles
from caffe_fcn.datasets.inspect import explore, overview
from caffe_fcn.description import dataset_json
from caffe_fcn.errors import CaffeFcnError, FileError

Cli = Callable[..., Any]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "set"
    triangles.build(path, 20, 4)
    about = json.loads((path / "dataset.json").read_text())
    about["classes"], about["palette"], about["ignore_label"] = ["ink", "paper"], [[0, 0, 0], [9, 9, 9]], 255
    (path / "dataset.json").write_text(json.dumps(about))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


WRONG: dict[str, tuple[Change, str]] = {
    "a list for a file": (lambda d: d.update(mean_file=["x"]), "mean_file"),
    "a file elsewhere": (lambda d: d.update(mean_file="../mean.binaryproto"), "mean_file"),
    "a number for names": (lambda d: d.update(classes=4), "classes"),
    "a name that is a number": (lambda d: d.update(classes=["a", 4]), r"classes\[1\]"),
    "more classes than values": (lambda d: d.update(classes=["x"] * 257), "classes"),
    "a colour of two numbers": (lambda d: d.update(palette=[[0, 0]]), r"palette\[0\]"),
    "a colour out of range": (lambda d: d.update(palette=[[0, 0, 256]]), r"palette\[0\]\[2\]"),
    "an ignored label out of range": (lambda d: d.update(ignore_label=256), "ignore_label"),
    "a truth for a number": (lambda d: d.update(ignore_label=True), "ignore_label"),
    "other labels": (lambda d: d.update(labels="colours"), "labels"),
    "a mean that is a text": (lambda d: d.update(mean="1,2,3"), "mean"),
    "a mean of texts": (lambda d: d.update(mean=["1"]), r"mean\[0\]"),
    "no splits": (lambda d: d.update(splits=3), "splits"),
    "a split that is a list": (lambda d: d["splits"].update(train=[]), r"splits\.train"),
    "a split of another folder": (lambda d: d["splits"].update({"../x": d["splits"]["val"]}), "splits"),
    "a split whose name no file can have": (lambda d: d["splits"].update({"x" * 252: d["splits"]["val"]}), "splits"),
    "a split without databases": (lambda d: d["splits"]["val"].pop("databases"), r"splits\.val has no 'databases'"),
    "a split without images": (lambda d: d["splits"]["val"]["databases"].pop("images"), "has no 'images'"),
    "a database elsewhere": (lambda d: d["splits"]["val"]["databases"].update(images="/etc"), "databases.images"),
    "a database above": (lambda d: d["splits"]["val"]["databases"].update(labels="a/../../b"), "databases.labels"),
    "a database in no text": (lambda d: d["splits"]["val"]["databases"].update(labels=7), "databases.labels"),
    "what was skipped as a number": (lambda d: d["splits"]["val"].update(skipped=3), r"val\.skipped"),
    "statistics of another kind": (lambda d: d["splits"]["val"].update(statistics=[1]), r"val\.statistics"),
    "pixels of no value": (lambda d: d["splits"]["val"]["statistics"]["pixels"].update(x=1), "pixels"),
    "pixels of value 256": (lambda d: d["splits"]["val"]["statistics"]["pixels"].update({"256": 1}), "pixels"),
    "pixels that are no number": (lambda d: d["splits"]["val"]["statistics"]["pixels"].update({"0": None}), "pixels.0"),
    "no share": (lambda d: d["splits"]["val"]["statistics"].pop("ignored_share"), "ignored_share"),
    "weights as an object": (lambda d: d["splits"]["val"]["statistics"].update(weights={}), r"statistics\.weights"),
    "a seed that is none": (lambda d: d.update(seed="x"), "seed"),
    "options that are a list": (lambda d: d.update(options=[]), "options"),
    "no name": (lambda d: d.pop("name"), "name"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_named(built: Path, tmp_path: Path, case: str) -> None:
    about = json.loads((built / "dataset.json").read_text())
    change, named = WRONG[case]
    change(about)
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    with pytest.raises(FileError, match=named) as raised:
        dataset_json.read(tmp_path)
    assert "dataset.json" in str(raised.value) and "\n" not in str(raised.value)


TEXTS = {
    "nested deeply": b"[" * 60_000,
    "objects nested deeply": b'{"name": ' * 60_000,
    "not UTF-8": b'{"name": "\xff"}',
    "half a character": rb'{"name": "\ud800"}',
    "a name twice": b'{"name": "x", "name": "y"}',
    "not a number": b'{"name": "x", "mean": [NaN]}',
    "beyond all numbers": b'{"name": "x", "mean": [1e999]}',
    "a number of a million digits": b'{"name": "x", "seed": ' + b"9" * 1_000_000 + b"}",
    "cut off": b'{"name": "x"',
    "more than one": b'{"name": "x"}{"name": "x"}',
    "a null": b"null",
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_not_valid_json_is_one_line(tmp_path: Path, case: str, cli: Cli) -> None:
    (tmp_path / "dataset.json").write_bytes(TEXTS[case])
    ran = cli("data", "info", tmp_path)
    assert ran.status == 2 and ran.err.startswith("error: ") and ran.err.count("\n") == 1
    assert "dataset.json" in ran.err and len(ran.err) < 500


def test_a_build_over_a_damaged_description_removes_nothing(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 20, 4)
    file = tmp_path / "set" / "dataset.json"
    about = json.loads(file.read_text())
    file.write_text(json.dumps({**about, "mean_file": ["x"]}))
    before = contents(tmp_path / "set")
    with pytest.raises(FileError, match=r"mean_file.*remove it, or name another folder"):
        triangles.build(tmp_path / "set", 30, 4)
    assert contents(tmp_path / "set") == before


def test_a_description_damaged_during_a_build_destroys_neither_data_set(tmp_path: Path) -> None:
    """The new data set stays in its temporary folder, and --resume moves it into place."""
    triangles.build(tmp_path / "set", 20, 4)
    file = tmp_path / "set" / "dataset.json"
    whole = file.read_bytes()

    def damage(what: str, done: int, total: int) -> None:
        file.write_text("{")

    with pytest.raises(FileError, match=r"dataset\.json"):
        triangles.build(tmp_path / "set", 30, 4, options=BuildOptions(progress=damage))
    assert (tmp_path / "set" / "train_images" / "data.mdb").exists()
    assert (tmp_path / "set" / STAGING / "train_images" / "data.mdb").exists()
    file.write_bytes(whole)
    triangles.build(tmp_path / "set", 30, 4, options=BuildOptions(resume=True))
    assert len(datasets.open(tmp_path / "set")) == 27
    assert not (tmp_path / "set" / STAGING).exists()


def test_a_folder_of_other_files_in_the_way_destroys_neither_data_set(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 20, 4, val_percent=0)
    (tmp_path / "set" / "val_images").mkdir()
    (tmp_path / "set" / "val_images" / "mine").touch()
    before = contents(tmp_path / "set")
    with pytest.raises(FileError, match="val_images: is there"):
        triangles.build(tmp_path / "set", 20, 4)
    assert contents(tmp_path / "set") == before


def test_fields_of_a_later_version_stay(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 20, 4)
    file = tmp_path / "set" / "dataset.json"
    about = json.loads(file.read_text())
    about |= {"version": 2, "licence": {"kind": ["free"]}}
    about["splits"]["train"]["weather"] = "sunny"
    file.write_text(json.dumps(about))
    builder.measure_again(tmp_path / "set")
    assert json.loads(file.read_text()) == about


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5) | st.just("../x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60)
@given(st.data())
def test_whatever_is_in_a_field_is_read_or_one_line(built: Path, data: st.DataObject) -> None:
    """Whatever passes the checks can also be shown."""
    file = built / "dataset.json"
    whole = file.read_bytes()
    about = json.loads(whole)
    at: Any = about
    while True:
        place = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[place], (dict, list)) or not at[place] or data.draw(st.booleans()):
            break
        at = at[place]
    at[place] = data.draw(JSON)
    try:
        file.write_text(json.dumps(about))
        seen = overview.summarize(built)
        json.dumps(seen.to_json())
        pairs = datasets.open(built)
        assert explore.render_page({pairs.split: (pairs, explore.make_views(pairs, 1, 16))}, "name")
    except CaffeFcnError as error:
        assert "\n" not in str(error)
    finally:
        file.write_bytes(whole)


JOURNALS: dict[str, Callable[[bytes], bytes]] = {
    "no JSON": lambda journal: b"{\n" + journal,
    "no object": lambda journal: journal + b"7\n",
    "nested deeply": lambda journal: b"[" * 60_000 + b"\n" + journal,
    "another item": lambda journal: journal.replace(b"00000001", b"00000002", 1),
    "an item too often": lambda journal: journal + journal,
    "not UTF-8": lambda journal: journal[:-4] + b"\xff\n",
}


@pytest.mark.parametrize("case", JOURNALS)
def test_a_damaged_journal_is_refused_and_the_records_stay(tmp_path: Path, case: str) -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        triangles.build(tmp_path / "set", 400, 4, options=BuildOptions(progress=stop))
    journal = tmp_path / "set" / STAGING / "train.journal"
    whole = journal.read_bytes()
    journal.write_bytes(JOURNALS[case](whole))
    before = contents(tmp_path / "set")
    with pytest.raises(ResumeError, match=r"train\.journal:\d+: the journal is damaged.*without `resume`") as raised:
        triangles.build(tmp_path / "set", 400, 4, options=BuildOptions(resume=True))
    assert "\n" not in str(raised.value)
    assert contents(tmp_path / "set") == before
    journal.write_bytes(whole)
    triangles.build(tmp_path / "set", 400, 4, options=BuildOptions(resume=True))
    assert len(datasets.open(tmp_path / "set")) == 360


def test_a_damaged_database_is_not_continued_and_stays(tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        triangles.build(tmp_path / "set", 400, 4, options=BuildOptions(progress=stop))
    file = tmp_path / "set" / STAGING / "train_images" / "data.mdb"
    content = bytearray(file.read_bytes())
    content[2 * 4096 + 10] ^= 1
    file.write_bytes(content)
    before = contents(tmp_path / "set")
    with pytest.raises(ResumeError, match=r"page 2 .*without `resume`"):
        triangles.build(tmp_path / "set", 400, 4, options=BuildOptions(resume=True))
    assert contents(tmp_path / "set") == before
