"""The commands that forms of trainings become: those that the command line itself recommends, and no others."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Ran
from hypothesis import example, given
from hypothesis import strategies as st

from caffe_fcn.workspace.forms import fits, runs
from caffe_fcn.workspace.forms.fields import FormError, parse
from caffe_fcn.workspace.forms.train_options import read_train, spell_train, split_command
from caffe_fcn.workspace.settings import Settings

Cli = Callable[..., Ran]


def spell(folder: Path, **given: Any) -> list[tuple[str, ...]]:
    settings = Settings(folder, cores=2)
    return list(runs.make_training(settings, parse(runs.list_fields(settings), {"name": "x", **given})).commands)


@pytest.mark.parametrize("net", ["voc-fcn32s", "voc-fcn8s-atonce", "voc-fcn-alexnet"])
def test_the_surgery_is_the_one_that_the_command_line_recommends(net: str, tmp_path: Path, cli: Cli) -> None:
    ran = cli("net", "build", net, "-o", tmp_path / "runs/x")
    recommended = re.search(r"^next: caffe-fcn (surgery .*)$", ran.err, re.MULTILINE)
    assert recommended, ran.err
    words = [word.replace(f"{tmp_path}/", "") for word in shlex.split(recommended[1])]
    build, surgery, train = spell(tmp_path / "elsewhere", net=net)
    assert build == ("net", "build", net, "-o", "runs/x")
    assert list(surgery) == words
    assert train == ("train", "runs/x/solver.prototxt", "--weights", "runs/x/start.caffemodel")


def test_weights_come_in_as_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "own.caffemodel").write_bytes(b"")
    transplant = spell(tmp_path, net="voc-fcn32s", weights="own.caffemodel")[1]
    assert transplant[:4] == ("surgery", "transplant", "--weights", "own.caffemodel")
    by_name = spell(tmp_path, net="voc-fcn32s", weights="own.caffemodel, vgg16", surgery="names")
    assert by_name[1] == ("train", "runs/x/solver.prototxt", "--weights", "own.caffemodel,vgg16")
    assert spell(tmp_path, net="voc-fcn32s", weights="none")[1][:2] == ("surgery", "fill")
    assert spell(tmp_path, net="triangles", weights="none")[1] == ("train", "runs/x/solver.prototxt")
    with pytest.raises(FormError) as refused:
        spell(tmp_path, net="voc-fcn32s", weights="own.caffemodel,vgg16")
    assert "weights" in refused.value.fields


def test_a_copy_gets_the_settings_that_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets/-odd").mkdir(parents=True)
    (tmp_path / "nets/-odd/solver.prototxt").write_text('net: "all.prototxt" base_lr: 1 lr_policy: "multistep"')
    copy, train = spell(
        tmp_path,
        net="copy:nets/-odd",
        base_lr="0.5",
        set="max_iter: 40\n\nstepvalue=1,2",
        patience="2",
        score_every="5",
    )
    assert copy == (
        *("net", "copy", "nets/-odd", "-o", "runs/x"),
        *("--set", "base_lr=0.5", "--set", "max_iter=40", "--set", "stepvalue=1,2"),
    )
    assert train == ("train", "runs/x/solver.prototxt", "--score-every", "5", "--patience", "2")


def test_a_task_is_read_back_into_the_form(tmp_path: Path) -> None:
    given = {"net": "voc-fcn32s", "epochs": 7.0, "augment": "flip", "engine": "torch", "score_every": 9, "keep_best": 2}
    settings = Settings(tmp_path, cores=2)
    values = parse(runs.list_fields(settings), {"name": "x", **given})
    found = runs.read_commands(runs.make_training(settings, values))
    again = parse(runs.list_fields(settings), {"name": "x", **found})
    assert {name: again[name] for name in given} == given
    assert again["weights"] == "vgg16"


def test_all_in_one_is_one_command(tmp_path: Path) -> None:
    for name in ("photos", "-labels"):
        (tmp_path / name).mkdir()
    settings = Settings(tmp_path, cores=2)
    fields = {"name": "x", "photos": "photos", "labels": "-labels", "epochs": "3", "weights": "none"}
    task = fits.make_fit(settings, parse(fits.list_fields(settings), fields))
    assert task.commands == (("fit", "photos", "./-labels", "-o", "runs/x", "--weights", "none", "--epochs", "3"),)
    for wrong in ({"labels": "../x"}, {"labels": ""}, {"photos": "nowhere"}):
        with pytest.raises(FormError):
            fits.make_fit(settings, parse(fits.list_fields(settings), {**fields, **wrong}))


@example(["--keep"])
@given(
    st.lists(
        st.sampled_from(
            [
                "--engine",
                "torch",
                "--log",
                "/etc/x",
                "--keep=3",
                "--keep",
                "-1",
                "--patience=x",
                "--weights",
                "--caffe=/bin/sh",
                "--gpu",
                "0",
            ]
        )
    )
)
def test_of_a_command_that_stands_in_a_file_only_known_options_are_taken(words: list[str]) -> None:
    """What is spelled of it again has no path, no program, and numbers only where there are numbers."""
    found = read_train(split_command(shlex.join(["caffe-fcn", "train", "s", *words])))
    assert found.keys() <= {"engine", "keep", "patience", "weights", "gpu"}
    again = spell_train("s", {name: value for name, value in found.items() if name not in ("weights", "gpu")})
    assert not {"--log", "/etc/x", "--caffe=/bin/sh", "--weights"} & set(again)
    assert found.get("keep", 1) >= 1
