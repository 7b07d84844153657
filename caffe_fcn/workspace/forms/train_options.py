"""The options of ``caffe-fcn train`` as fields, and back: the words of a command that was run as values of fields.

spell_train("runs/x/solver.prototxt", {"engine": "torch", "score_every": 500})
read_train(("train", "runs/x/solver.prototxt", "--engine", "torch"))     # {"engine": "torch"}

A command that is read may stand in a file that anybody wrote. Of its words only the options in the table below are
taken, and only where their values are such as a form takes.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from caffe_fcn.engines.events import MEASURES
from caffe_fcn.training.ranking import name_measure
from caffe_fcn.workspace.forms.fields import Choice, Field, FieldError, Kind, parse_value, show_value

GROUP, MORE = "Training", "More of the training"

FIELDS = (
    Field(
        "engine",
        "Engine",
        Kind.CHOICE,
        default="auto",
        choices=(Choice("auto", "what is installed"), Choice("torch"), Choice("caffe", "real Caffe")),
        group=GROUP,
    ),
    Field(
        "score_every",
        "Score every",
        Kind.INTEGER,
        least=1,
        most=10**9,
        unit="iterations",
        hint="Takes a snapshot so often and measures it on the validation images; the best one counts for the run.",
        group=GROUP,
    ),
    Field(
        "keep_best",
        "Keep the best",
        Kind.INTEGER,
        least=1,
        most=10_000,
        unit="snapshots",
        hint="By their scores, and the newest one.",
        group=GROUP,
    ),
    Field(
        "patience",
        "Stop after",
        Kind.INTEGER,
        least=1,
        most=10_000,
        unit="scores without a better one",
        group=GROUP,
    ),
    Field("keep", "Keep the newest", Kind.INTEGER, least=1, most=10_000, unit="snapshots", group=MORE, folded=True),
    Field(
        "measure",
        "Best by",
        Kind.CHOICE,
        default=MEASURES[0].replace("_", "-"),
        choices=tuple(Choice(each.replace("_", "-"), name_measure(each)) for each in MEASURES),
        group=MORE,
        folded=True,
    ),
    Field(
        "precision",
        "Precision",
        Kind.CHOICE,
        default="float32",
        choices=tuple(map(Choice, ("float32", "tf32", "bf16"))),
        hint="In which torch multiplies; tf32 and bf16 are for GPUs.",
        group=MORE,
        folded=True,
    ),
    Field(
        "nproc", "Processes", Kind.INTEGER, least=1, most=64, hint="Share the batches (torch).", group=MORE, folded=True
    ),
    Field("tensorboard", "Write the figures for TensorBoard, too", Kind.FLAG, default=False, group=MORE, folded=True),
    Field(
        "no_check",
        "Train even where the check finds mistakes",
        Kind.FLAG,
        default=False,
        group=MORE,
        folded=True,
    ),
)
"""The options of ``train`` that a form asks for, each the option of its name."""

SCORING = ("patience", "keep_best")
"""What needs scores."""

_BY_OPTION = {f"--{each.name.replace('_', '-')}": each for each in FIELDS}
_OTHERS = {"--weights": "weights", "--gpu": "gpu"}
_LONGEST = 1 << 14


def spell_train(solver: str, values: Mapping[str, Any], *more: str) -> tuple[str, ...]:
    """Return the command that trains a solver; fields with their defaults are left out."""
    words = ["train", solver, *more]
    for option, asked in _BY_OPTION.items():
        value = values.get(asked.name)
        if value is None or value == asked.default:
            continue
        words += [option] if value is True else [option, show_value(value)]
    return tuple(words)


def read_train(words: Sequence[str]) -> dict[str, Any]:
    """Return the values of the fields that the words of a command give, with ``weights`` where it has them."""
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        option, equals, text = rest.pop(0).partition("=")
        if option in _OTHERS:
            found[_OTHERS[option]] = text if equals else (rest.pop(0) if rest else "")
        if option not in _BY_OPTION:
            continue
        asked = _BY_OPTION[option]
        if asked.kind is Kind.FLAG:
            found[asked.name] = True
            continue
        value = text if equals else (rest.pop(0) if rest else "")
        if not value.strip():  # an option without its value says nothing
            continue
        try:
            found[asked.name] = parse_value(asked, value)
        except FieldError:
            continue
    return found


def split_command(command: str) -> tuple[str, ...]:
    """Return the words of a command line without the program; none where it is no ``train`` that a shell reads."""
    try:
        words = shlex.split(command[:_LONGEST])
    except ValueError:
        return ()
    return tuple(words[1:]) if words[1:2] == ["train"] else ()
