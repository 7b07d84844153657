"""``model.json`` is read strictly and written whole: an error is one line that names the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import FileError

Change = Callable[[dict[str, Any]], object]

# as a person would write it
WRITTEN: dict[str, Any] = {
    "version": 1,
    "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean": [104.0, 117, 123.5], "scale": 0.5}],
    "outputs": [
        {
            "blob": "score",
            "kind": "scores",
            "classes": ["road", "Stra\N{LATIN SMALL LETTER SHARP S}e"],
            "palette": [[0, 0, 0], [255, 0, 9]],
            "ignore_label": 255,
        }
    ],
    "dataset": "roads",
}


def written(folder: Path, content: Any) -> Path:
    (folder / "model.json").write_text(json.dumps(content))
    return folder


def test_what_a_person_writes_is_read(tmp_path: Path) -> None:
    model = model_json.read(written(tmp_path, WRITTEN))
    assert model is not None
    assert (model.inputs[0].mean, model.inputs[0].scale, model.inputs[0].order) == ([104.0, 117, 123.5], 0.5, "BGR")
    assert model.outputs[0].classes == ["road", "Stra\N{LATIN SMALL LETTER SHARP S}e"]
    assert (model.outputs[0].ignore_label, model.dataset) == (255, "roads")


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert model_json.read(tmp_path) is None
    assert model_json.read(tmp_path / "none") is None


def test_what_is_written_says_every_field_and_lists_stay_on_a_line(tmp_path: Path) -> None:
    Model([Input("data", 1, "grey", mean_file="mean.npy")], [Output("prob", "probabilities")]).write(tmp_path)
    text = (tmp_path / "model.json").read_text()
    found = json.loads(text)
    assert found["inputs"] == [
        {"blob": "data", "channels": 1, "order": "grey", "mean": None, "mean_file": "mean.npy", "scale": 1.0}
    ]
    assert found["outputs"][0]["kind"] == "probabilities"
    Model([Input("data", 3, mean=[1.0, 2.0, 3.0])], [Output("score")]).write(tmp_path)
    assert '"mean": [ 1.0, 2.0, 3.0 ]' in (tmp_path / "model.json").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json"]


def test_fields_of_a_later_version_stay(tmp_path: Path) -> None:
    model = model_json.read(written(tmp_path, {**WRITTEN, "version": 2, "licence": {"kind": ["free"]}}))
    assert model is not None
    model.write(tmp_path)
    found = json.loads((tmp_path / "model.json").read_text())
    assert (found["version"], found["licence"]) == (2, {"kind": ["free"]})


WRONG: dict[str, tuple[Change, str]] = {
    "no inputs": (lambda d: d.pop("inputs"), "it has no 'inputs'"),
    "an empty list of inputs": (lambda d: d.update(inputs=[]), "inputs"),
    "no outputs": (lambda d: d.pop("outputs"), "outputs"),
    "an output without kind": (lambda d: d["outputs"][0].pop("kind"), r"outputs\[0\] has no 'kind'"),
    "another kind": (lambda d: d["outputs"][0].update(kind="colours"), r"outputs\[0\]\.kind"),
    "another order": (lambda d: d["inputs"][0].update(order="GBR"), r"inputs\[0\]\.order"),
    "an order that is a list": (lambda d: d["inputs"][0].update(order=["BGR"]), r"inputs\[0\]\.order"),
    "four channels of BGR": (lambda d: d["inputs"][0].update(channels=4, mean=[0]), r"inputs\[0\]\.channels"),
    "no channels": (lambda d: d["inputs"][0].update(channels=0), r"inputs\[0\]\.channels"),
    "a mean of two": (lambda d: d["inputs"][0].update(mean=[1, 2]), r"inputs\[0\]\.mean has 2 values"),
    "a mean of a text": (lambda d: d["inputs"][0].update(mean=["1"]), r"inputs\[0\]\.mean\[0\]"),
    "two means": (lambda d: d["inputs"][0].update(mean_file="mean.npy"), r"a mean and a mean_file"),
    "a file elsewhere": (lambda d: d["inputs"][0].update(mean=None, mean_file="../m"), r"inputs\[0\]\.mean_file"),
    "a scale of none": (lambda d: d["inputs"][0].update(scale=None), r"inputs\[0\]\.scale"),
    "a colour of two": (lambda d: d["outputs"][0].update(palette=[[1, 2]]), r"palette\[0\]"),
    "257 classes": (lambda d: d["outputs"][0].update(classes=["x"] * 257), "classes"),
    "an ignored label of 256": (lambda d: d["outputs"][0].update(ignore_label=256), "ignore_label"),
    "a number for a name": (lambda d: d.update(dataset=7), "dataset"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_named(tmp_path: Path, case: str) -> None:
    content = json.loads(json.dumps(WRITTEN))
    change, named = WRONG[case]
    change(content)
    with pytest.raises(FileError, match=named) as raised:
        model_json.read(written(tmp_path, content))
    assert "model.json: is not a description of a net" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"[" * 60_000, b'{"inputs": [{"mean": [NaN]}]}', b"", b"null", b"\xff"])
def test_what_is_not_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(FileError, match=r"model\.json") as raised:
        model_json.read(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    with pytest.raises(FileError, match="is not a regular file"):
        model_json.read(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5) | st.just("../x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100)
@given(st.data())
def test_whatever_is_in_a_field_is_read_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever passes the checks can also be written, and reads the same again."""
    folder = tmp_path_factory.mktemp("any")
    at: Any = (content := json.loads(json.dumps(WRITTEN)))
    while True:
        place = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[place], (dict, list)) or not at[place] or data.draw(st.booleans()):
            break
        at = at[place]
    at[place] = data.draw(JSON)
    try:
        model = model_json.read(written(folder, content))
    except FileError as error:
        assert "\n" not in str(error)
        return
    assert model is not None
    model.write(folder)
    assert model_json.read(folder) == model
