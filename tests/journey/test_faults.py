"""What goes wrong on a journey is one line that says how to mend it; what changed is done again, and said."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ran
from PIL import Image
from small_disks import small_disk_in
from tiny_photos import write_photos

from caffe_fcn import journey, models
from caffe_fcn.engines.output_lock import lock_output
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.journey import Observer, Step, fitting
from caffe_fcn.journey.steps.weights import find_origin

Cli = Callable[..., Ran]
TINY = ["--net", "m2nist-fcn", "--weights", "none", "--engine", "torch", "--epochs", "1"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with photos and labels; no model can be fetched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CAFFE_FCN_MODELS_URL", "http://127.0.0.1:9/mirror")
    write_photos(tmp_path)
    return tmp_path


class Stop(Exception):
    """Ends a journey where a test has seen enough."""


class Heard(Observer):
    """Remembers what it is told; ends the journey before the step ``last``."""

    def __init__(self, last: str = "") -> None:
        self.last = last
        self.begun: dict[str, str] = {}
        self.passed: list[str] = []
        self.notes: list[str] = []

    def begin(self, step: Step, why: str) -> None:
        if step.name == self.last:
            raise Stop
        self.begun[step.name] = why

    def pass_over(self, step: Step) -> None:
        self.passed.append(step.name)

    def note(self, text: str) -> None:
        self.notes.append(text)


def go(last: str = "train", **settings: Any) -> Heard:
    """A journey up to a step, without training unless ``last`` is empty."""
    heard = Heard(last)
    given = {"photos": "photos", "labels": "labels", "output": "run", "net": "m2nist-fcn", "weights": "none"}
    with suppress(Stop):
        journey.fit(**{**given, "epochs": 1, "observer": heard, "engine": "torch", **settings})
    return heard


# Wrong inputs


def spoil_size(place: Path) -> None:
    Image.new("L", (7, 16)).save(place / "labels/03.png")


def spoil_format(place: Path) -> None:
    path = place / "labels/03.png"
    Image.open(path).save(place / "labels/03.jpg")
    path.unlink()


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a photo without label": (lambda place: (place / "labels/03.png").unlink(), "03.png: there is no label of this"),
    "a label of another size": (spoil_size, "03.png: is 16x7, and photos/03.png is 16x16"),
    "a lossy label": (spoil_format, "labels/03.jpg: "),
    "no labels at all": (lambda place: shutil.rmtree(place / "labels"), "labels: no such file or folder"),
    "no photos in the folder": (lambda place: empty(place / "photos"), "photos/: holds no images"),
}


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize("case", SPOILT)
def test_photos_and_labels_that_do_not_fit(place: Path, cli: Cli, case: str) -> None:
    spoil, what = SPOILT[case]
    spoil(place)
    ran = cli("fit", "photos", "labels", *TINY, "-o", "run")
    assert ran.status == 2
    assert what in ran.err
    assert ran.err.splitlines()[-1].startswith("error: ")


GIVEN: dict[str, tuple[list[str], str]] = {
    "photos without labels": (["photos"], "takes PHOTOS and LABELS, or --data DIR"),
    "both ways of data": (["photos", "labels", "--data", "set"], "takes PHOTOS and LABELS, or --data DIR"),
    "neither": ([], "takes PHOTOS and LABELS, or --data DIR"),
    "an unknown net": (["photos", "labels", "--net", "m2nist-fnc"], "did you mean m2nist-fcn?"),
    "a classifier": (["photos", "labels", "--net", "m2nist-cnn"], "classifies whole images (did you mean m2nist-fcn?)"),
    "a net of two images": (["photos", "labels", "--net", "nyud-fcn32s-color-hha"], "reads color and hha and label"),
    "misspelt weights": (["photos", "labels", "--weights", "vgg61"], "vgg61: is neither a file nor a model (did you"),
    "an unknown engine": (["photos", "labels", "--engine", "coffee"], "--engine coffee: no such engine"),
    "no list of GPUs": (["photos", "labels", "--gpu", "one"], "--gpu: 'one' is not a list of GPUs"),
    "a data set that is not there": (["--data", "none"], "none: no such folder"),
    "no data set": (["--data", "photos"], "photos: holds no data set"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_wrong_options(place: Path, cli: Cli, case: str) -> None:
    arguments, what = GIVEN[case]
    ran = cli("fit", *arguments, "-o", "run", *([] if "--net" in arguments else ["--net", "m2nist-fcn"]))
    assert ran.status == 2
    assert what in ran.err
    assert ran.err.splitlines()[-1].startswith("error: ")


def test_weights_of_another_net(place: Path) -> None:
    np.savez("other.npz", **{"fc8/0": np.ones((3, 4), "f4")})
    with pytest.raises(CaffeFcnError, match="no layer has the name of a layer of the net"):
        go(weights="other.npz")


def test_labels_that_are_no_classes_of_a_data_set(place: Path) -> None:
    """A data set that was built elsewhere is checked record by record before anything is trained."""
    go("net")
    shutil.move("run/data", "set")
    described = json.loads(Path("set/dataset.json").read_text())
    Path("set/dataset.json").write_text(json.dumps({**described, "classes": ["a", "b"], "palette": None}))
    with pytest.raises(CaffeFcnError, match=r"FCN407 the labels of train have 2, and there are 2 classes, from 0 on"):
        go(photos=None, labels=None, data="set")
    assert go(photos=None, labels=None, data="set", no_check=True).passed == ["net", "weights"]


def test_a_data_set_that_says_no_classes(place: Path) -> None:
    go("net")
    shutil.move("run/data", "set")
    described = json.loads(Path("set/dataset.json").read_text())
    for split in described["splits"].values():
        split["statistics"] = None
    Path("set/dataset.json").write_text(json.dumps(described))
    with pytest.raises(CaffeFcnError, match="does not say how many classes it has"):
        go(photos=None, labels=None, data="set")
    assert "check" in go(photos=None, labels=None, data="set", classes=["a", "b", "c"]).begun


def test_a_net_in_the_working_directory_is_not_trained_in_place_of_the_runs(place: Path) -> None:
    go()
    for name in ("train.prototxt", "val.prototxt"):
        shutil.copy(f"run/{name}", name)
    with pytest.raises(FileError, match=r"has a train\.prototxt of its own"):
        go("")


def test_two_journeys_in_one_folder(place: Path, cli: Cli) -> None:
    Path("run/.fit").mkdir(parents=True)
    with lock_output(Path("run/.fit/run"), "output"):
        ran = cli("fit", "photos", "labels", *TINY, "-o", "run")
    assert ran.status == 2
    assert "another training writes there" in ran.err and "name another --output" in ran.err


def test_a_data_set_is_no_run(place: Path) -> None:
    go("net")
    with pytest.raises(FileError, match="is a data set"):
        go(output="run/data")


def test_a_damaged_ledger_says_what_to_do(place: Path) -> None:
    go("net")
    Path("run/.fit/steps.json").write_text("{}")
    with pytest.raises(FileError, match=r"is not the ledger of a run.*remove it: all steps will be done again"):
        go("net")


def test_a_full_disk(place: Path, cli: Cli) -> None:
    with small_disk_in(place, "96k") as disk:
        ran = cli("fit", "photos", "labels", *TINY, "-o", disk / "run")
        assert ran.status == 2
        assert ran.err.splitlines()[-1].startswith("error: ")
        assert "space" in ran.err


def test_too_little_space_for_snapshots_is_said_before_the_training(place: Path) -> None:
    """Four snapshots of 8,000 parameters by Adam take 380 kB."""
    with small_disk_in(place, "1m") as disk:
        go("check", output=disk / "run")
        free = shutil.disk_usage(disk).free
        (disk / "other").write_bytes(b"x" * (free - 200_000))
        with pytest.raises(FileError, match=r"has 0\.\d MB free, and the snapshots take 0\.\d MB"):
            go(output=disk / "run")


# What changed is done again


def test_what_changed_is_said_and_done_again(place: Path) -> None:
    first = go()
    assert list(first.begun) == ["data", "net", "weights", "check"]
    assert set(first.begun.values()) == {""}

    photo = np.array(Image.open("photos/00.png"))
    Image.fromarray(photo // 2).save("photos/00.png")
    assert go().begun == {
        "data": "changed: photos",
        "net": "changed: data set",
        "check": "changed: data set",
    }


def test_another_net_in_the_same_run(place: Path) -> None:
    go()
    heard = go(net="triangles")
    assert heard.passed == ["data"]
    assert heard.begun == {
        "net": "changed: net, settings of the net",
        "weights": "changed: net, surgery",
        "check": "changed: net, solver, weights",
    }


def test_a_photo_that_is_only_touched_changes_nothing(place: Path) -> None:
    go()
    for path in Path("photos").iterdir():
        os.utime(path)
    assert go().begun == {}


def test_a_run_named_by_another_path_is_the_same_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go()
    monkeypatch.chdir("/")
    assert go(photos=place / "photos", labels=place / "labels", output=place / "run").begun == {}


def test_what_is_gone_is_made_again(place: Path) -> None:
    go()
    Path("run/val.prototxt").unlink()
    Path("run/start.caffemodel").unlink()
    assert go().begun == {"net": "val.prototxt is gone", "weights": "start.caffemodel is gone"}


def test_a_solver_that_was_changed_by_hand_is_kept(place: Path) -> None:
    go()
    solver = Path("run/solver.prototxt")
    solver.write_text(solver.read_text().replace("base_lr: 0.001", "base_lr: 0.002"))
    heard = go()
    assert heard.begun == {"check": "changed: solver"}
    assert heard.notes[1] == "run/solver.prototxt was changed since it was written, and is kept as it is"
    assert "base_lr: 0.002" in solver.read_text()


def test_an_interrupted_build_goes_on_only_with_the_same_photos(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(Heard):
        def progress(self, task: str, done: int, total: int) -> None:
            if task == "writing val":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journey.fit("photos", "labels", output="run", net="m2nist-fcn", weights="none", observer=Cut())
    assert Path("run/data/.building").is_dir()
    shutil.copytree("run", "other")
    assert go("net").begun["data"] == "goes on where it stopped"

    Image.fromarray(np.array(Image.open("photos/00.png")) // 2).save("photos/00.png")
    assert go("net", output="other").begun["data"] == "changed: photos"
    go("net", output="fresh")
    for name in ("train_images", "val_images"):
        assert Path(f"other/data/{name}/data.mdb").read_bytes() == Path(f"fresh/data/{name}/data.mdb").read_bytes()


# Weights


def test_a_model_that_cannot_be_fetched_is_one_note(place: Path) -> None:
    heard = go(weights="vgg16")
    found = [note for note in heard.notes if "vgg16" in note or "VGG" in note]
    assert len(found) == 1
    for part in (
        "http://127.0.0.1:9/mirror/VGG_ILSVRC_16_layers.caffemodel: cannot be fetched",
        "553432081 bytes, SHA-1 9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24",
        "put it at",
        "the training starts from random values",
    ):
        assert part in found[0]
    assert "weights" in heard.begun


def test_layers_of_other_classes_are_left_out(place: Path) -> None:
    """Weights of the same net for three classes start one for five: all but the layers that score."""
    go("check")
    shutil.copy("run/start.caffemodel", "three.caffemodel")
    heard = go("check", output="five", weights="three.caffemodel", classes=["a", "b", "c", "d", "e"])
    assert "weights" in heard.begun
    ledger = json.loads(Path("five/.fit/steps.json").read_text())["steps"]["weights"]["inputs"]
    assert ledger["surgery"] == repr(("m2nist", ("score_fr", "upscore2", "score")))


def test_the_usual_net_starts_from_a_published_model() -> None:
    model = models.find_model(find_origin(fitting.find_net("").name).model)
    assert model and model.file == "bvlc_googlenet.caffemodel"
