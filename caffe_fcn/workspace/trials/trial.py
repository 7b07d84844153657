"""A trial as it lies on the disk: what was asked, and what the commands answered.

tests/0007/trial.json           the model, the images, the options
tests/0007/images/              the images that were sent along
tests/0007/predicted/           what `infer` wrote
tests/0007/result.json          what it said
tests/0007/scores.json          what `evaluate` said, of a whole data set
tests/0007/look.html            what is inside the model
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from caffe_fcn import files, strict_json
from caffe_fcn.errors import FileError
from caffe_fcn.strict_json import list_of, map_of, object_of, optional, text
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.settings import Settings

GROUP = "tests"
"""The folder of all trials in a workspace."""

FILE, IMAGES_FOLDER, PREDICTED_FOLDER = "trial.json", "images", "predicted"
RESULT_FILE, SCORES_FILE, LOOK_FILE = "result.json", "scores.json", "look.html"

KINDS = ("photo", "label", "truth", "probability", "stretched", "grey")
"""The kinds of pictures that `pictures` draws of a trial."""

_TRIAL = object_of(
    {
        "model": text,
        "places": list_of(text),
        "truth": optional(text),
        "options": list_of(text),
        "look": strict_json.flag,
        "split": text,
        "weights": optional(text),
    }
)
_SHARE = optional(strict_json.number)
_COUNT = strict_json.whole_number(0, 1 << 53)
_CLASS = object_of({"class": _COUNT, "name": text, "pixels": _COUNT, "share": _SHARE, "probability": _SHARE})
_ANSWER = object_of(
    {
        "index": _COUNT,
        "total": _COUNT,
        "image": text,
        "files": map_of(text, text),
        "masks": map_of(text, text),
        "classes": list_of(_CLASS),
        "grey": optional(list_of(_COUNT)),
        "top": list_of(_CLASS),
        "pixel_accuracy": _SHARE,
        "mean_iu": _SHARE,
        "note": text,
        "notes": list_of(text),
        "error": optional(list_of(text)),
    },
    required=("image", "files", "classes", "top", "note", "notes"),
)
_ANSWERS = object_of({"images": list_of(_ANSWER), "broken": _COUNT}, required=("images",))
_NUMBERED = re.compile(r"[0-9]{4,9}")


@dataclass(frozen=True)
class Trial:
    """What was asked: ``model`` and ``places`` are paths as commands take them, ``truth`` has the labels.

    Without places the model is scored on the ``split`` of the data set ``truth``.
    """

    name: str
    model: str
    places: tuple[str, ...] = ()
    truth: str | None = None
    options: tuple[str, ...] = ()
    look: bool = False
    split: str = ""
    weights: str | None = None
    """The weights file in place of those that the model has chosen."""

    @property
    def is_score(self) -> bool:
        """Whether a whole data set is scored."""
        return not self.places


@dataclass(frozen=True)
class Answer:
    """What `infer` said of one image; paths are from the workspace's folder."""

    number: int
    image: str
    files: dict[str, str] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)
    top: list[dict[str, Any]] = field(default_factory=list)
    grey: list[int] | None = None
    pixel_accuracy: float | None = None
    mean_iu: float | None = None
    notes: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def title(self) -> str:
        """The image's name, without its folder."""
        return self.image.rpartition("/")[2] or self.image


def write(settings: Settings, trial: Trial) -> None:
    """Write what is asked into the trial's folder, which is made."""
    content = asdict(trial)
    del content["name"]
    (settings.root / GROUP / trial.name).mkdir(parents=True, exist_ok=True)
    files.write_text(settings.root / GROUP / trial.name / FILE, json.dumps(content, indent=1) + "\n")


def read(settings: Settings, name: str) -> Trial | None:
    """Read a trial; None where there is none. Raises `FileError` where its file is damaged."""
    path = settings.root / GROUP / name / FILE
    if not path.is_file():
        return None
    try:
        content = strict_json.parse(files.read_bytes(path))
        _TRIAL(content, "")
    except ValueError as error:
        raise FileError(path, f"is not of a trial: {error}", "remove its folder") from error
    return Trial(name, **{**content, "places": tuple(content["places"]), "options": tuple(content["options"])})


def list_trials(settings: Settings) -> Iterator[Trial]:
    """Yield the trials of a workspace, the newest first; damaged ones are passed over."""
    for name in sorted(_list_names(settings), reverse=True):
        try:
            found = read(settings, name)
        except FileError:
            continue
        if found is not None:
            yield found


def make_name(settings: Settings) -> str:
    """Make the folder of a new trial, and return its name: the next number."""
    folder = settings.root / GROUP
    folder.mkdir(parents=True, exist_ok=True)
    number = max((int(name) for name in _list_names(settings) if _NUMBERED.fullmatch(name)), default=0)
    while True:
        number += 1
        name = f"{number:04d}"
        try:
            (folder / name).mkdir()
        except FileExistsError:  # another request was faster
            continue
        return name


@contextmanager
def forgetting(settings: Settings, name: str) -> Iterator[None]:
    """Remove the folder of a trial where the block fails: it was never asked for in full."""
    try:
        yield
    except BaseException:
        shutil.rmtree(settings.root / GROUP / name, ignore_errors=True)
        raise


def find(settings: Settings, name: str) -> Trial:
    """Return the trial of this name; raises `NotFoundError` where there is none."""
    found = read(settings, name) if name.isascii() and name.isalnum() else None
    if found is None:
        raise NotFoundError(name, "is no test of this workspace", "see the list of tests")
    return found


def find_answer(settings: Settings, trial: Trial, number: int) -> Answer:
    """Return what was said of an image; raises `NotFoundError` where there is no such image."""
    answers = read_answers(settings, trial)
    if number >= len(answers):
        raise NotFoundError(f"image {number}", "is none of this test")
    return answers[number]


def read_answers(settings: Settings, trial: Trial) -> list[Answer]:
    """Read what `infer` said; empty where it has not ended. Raises `FileError` where that is damaged."""
    path = settings.root / GROUP / trial.name / RESULT_FILE
    if not path.is_file() or not path.stat().st_size:
        return []
    try:
        content = strict_json.parse(files.read_bytes(path))
        _ANSWERS(content, "")
    except ValueError as error:
        raise FileError(path, f"is not what `infer` says: {error}", "run the trial again") from error
    return [_make_answer(number, each) for number, each in enumerate(content["images"])]


def _make_answer(number: int, content: dict[str, Any]) -> Answer:
    names = ("image", "files", "classes", "top", "grey", "pixel_accuracy", "mean_iu")
    notes = [*content["notes"], *filter(None, [content["note"]])]
    known = {name: content[name] for name in names if name in content}
    return Answer(number, **known, notes=notes, error=": ".join((content.get("error") or [])[:2]))


def _list_names(settings: Settings) -> list[str]:
    folder = settings.root / GROUP
    return [each.name for each in folder.iterdir() if not each.name.startswith(".")] if folder.is_dir() else []


def find_folder(settings: Settings, trial: Trial) -> Path:
    """Return the folder of a trial."""
    return settings.root / GROUP / trial.name
