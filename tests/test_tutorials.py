"""The commands of docs/tutorials run as they stand, on small made-up data, with slimmer nets and shorter trainings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import published_samples as made
import pytest
from command import ROOT, Ran
from made_digits import write_mnist
from PIL import Image
from scored_training import set_fields

from caffe_fcn.datasets.reference_layers.published_sets import SETS

Cli = Callable[..., Ran]
TUTORIALS = ROOT / "docs/tutorials"
WIDE = r"num_output: (4096|1024)\b"
SHORT = {"max_iter": 4, "test_interval": 4, "test_iter": 1, "display": 2, "snapshot": 4}

REPLACED = {
    "triangles": {"10000": "20", "150": "2"},
    "m2nist": {"5000": "20", "train_iter_1180": "train_iter_4", "1000": "4"},
    "voc": {"caffenet": "donor.caffemodel", "1464": "4"},
    "synthia": {"caffenet": "donor.caffemodel", "12000": "4"},
}
"""What stands in a page, and what is run in its place: fewer images, the last of four iterations, weights at hand."""


def prepare_voc(folder: Path) -> None:
    names = [f"2007_{number:06}" for number in range(30, 36)]
    made.voc(folder / "VOC2012", {"train": names[:3], "val": names[3:]})


def prepare_synthia(folder: Path) -> None:
    colours = np.array(SETS["synthia"].palette, np.uint8)
    for number in range(10):
        image = made.photo(folder / f"SYNTHIA/RGB/{number}.png", number)
        (folder / "SYNTHIA/GT").mkdir(exist_ok=True)
        label = made.label(image, 12, number) % 12
        Image.fromarray(colours[label]).save(folder / f"SYNTHIA/GT/{number}.png")


PREPARED: dict[str, Callable[[Path], None]] = {
    "voc": prepare_voc,
    "synthia": prepare_synthia,
    "m2nist": lambda folder: write_mnist(folder / "mnist", 40),
}


@pytest.fixture(params=["caffe", pytest.param("torch", marks=pytest.mark.long)])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "caffe":
        monkeypatch.setenv("CAFFE_BIN", str(request.getfixturevalue("caffe_bin")))
    else:
        pytest.importorskip("torch")
    return str(request.param)


def read_commands(page: str) -> Iterator[list[str]]:
    """The words of each command of a page."""
    for block in re.findall(r"```sh\n(.*?)```", (TUTORIALS / f"{page}.md").read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "caffe-fcn", line
                yield words[1:]


def shrink_words(page: str, words: list[str]) -> Iterator[str]:
    """The words with those of `REPLACED` in place of theirs; numbers are replaced as whole words."""
    for word in words:
        for found, given in REPLACED[page].items():
            word = given if word == found else word if found.isdigit() else word.replace(found, given)
        yield word


def shrink_net(folder: Path) -> None:
    """Give the net of a folder fewer channels, and its solver fewer iterations."""
    for path in folder.glob("*.prototxt"):
        if path.name != "solver.prototxt":
            path.write_text(re.sub(WIDE, "num_output: 16", path.read_text()))
    set_fields(folder / "solver.prototxt", **SHORT)


@pytest.mark.parametrize("page", [path.stem for path in sorted(TUTORIALS.glob("*.md"))])
def test_the_commands_of_a_tutorial_run(
    page: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    PREPARED.get(page, lambda folder: None)(tmp_path)
    ran_any: set[str] = set()
    for words in read_commands(page):
        words = [*shrink_words(page, words)]
        if words[0] in ("train", "evaluate", "infer") and "--engine" not in words:
            words += ["--engine", engine]
        if "donor.caffemodel" in words:
            net = words[words.index("--to-net") + 1]
            assert cli("surgery", "fill", "--to-net", net, "-o", "donor.caffemodel").status == 0
        ran = cli(*words, "--quiet")
        assert ran.status == 0, f"caffe-fcn {shlex.join(words)}\n{ran.err}"
        if words[:2] == ["net", "build"]:
            shrink_net(tmp_path / words[words.index("-o") + 1])
        if words[0] == "train" and "--score-every" in words:
            assert "best " in ran.out or "the training is done" in ran.out
        ran_any.add(words[0])
    assert {"data", "net", "train"} <= ran_any


def test_every_tutorial_says_what_its_source_reports() -> None:
    for path in TUTORIALS.glob("*.md"):
        table = path.read_text().partition("## Figures")[2]
        assert re.search(r"^\| .*source.*\| here \|$", table, re.MULTILINE), path
