"""The form of a data set: what is in it becomes a command line of ``caffe-fcn data``, or a sample to look at first.

    task = make_task(settings, {"kind": "triangles", "name": "triangles", "count": 2000})
    made = make_preview(settings, {"kind": "folder", "images": "photos", "labels": "masks"}, count=24)

Each kind of data set is a row of `KINDS`. Classes and colours are typed into the form; the command reads them from
files, which are written beside the data set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from caffe_fcn import files
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind, parse
from caffe_fcn.workspace.jobs import job
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.settings import Settings

if TYPE_CHECKING:
    from caffe_fcn.datasets.build.builder import Plan
    from caffe_fcn.datasets.build.options import ImportOptions
    from caffe_fcn.datasets.build.preview import Preview

GROUP = "datasets"
"""The folder of the workspace in which new data sets are made."""

_CHECKS = (
    Choice("16-bit", "More than 8 bits", "the upper 8 bits of images are taken"),
    Choice("alpha", "Alpha channels", "they are dropped"),
    Choice("palette", "Palettes that differ", "indices count, colours don't"),
    Choice("unlabelled", "Labels without a labelled pixel", "they teach nothing"),
    Choice("one-class", "Labels of one class", "some images are like that"),
)

_NAME = Field("name", "Name", required=True, most_signs=200, hint=f"The folder that is made in {GROUP}.")

_SEED = Field("seed", "Random seed", Kind.INTEGER, default=1337, least=0, most=2**32 - 1, group="Order", folded=True)

Error = TypeVar("Error", bound=CaffeFcnError)

_STORED = (
    Field("channels", "Channels", Kind.CHOICE, default="keep", group="Images", choices=(
        Choice("keep", "as in the images"), Choice("rgb", "colour"), Choice("grey"))),
    Field("resize", "Resize to", Kind.SIZE, most=65535, group="Images",
          hint="Height x width; empty: each image keeps its size."),
    Field("resize_mode", "How to resize", Kind.CHOICE, default="squash", group="Images", choices=(
        Choice("squash", "squash: the aspect ratio changes"), Choice("crop", "crop: edges are cut off"),
        Choice("fill", "fill: a frame is added"), Choice("half-crop", "half crop, half fill"))),
    Field("images_as", "Images stored as", Kind.CHOICE, default="jpeg", group="Storage", folded=True, choices=(
        Choice("jpeg", "JPEG where they are JPEGs, else PNG"), Choice("png", "PNG"), Choice("raw", "raw pixels"))),
    Field("labels_as", "Labels stored as", Kind.CHOICE, default="png", group="Storage", folded=True, choices=(
        Choice("png", "PNG"), Choice("raw", "raw pixels"))),
    Field("checks", "Checks", Kind.CHOICE, default="full", group="Faults", folded=True, choices=(
        Choice("full", "decode every file"), Choice("headers", "headers of files that are stored unchanged"))),
    Field("on_error", "Pairs with faults", Kind.CHOICE, default="stop", group="Faults", folded=True, choices=(
        Choice("stop", "stop the build"), Choice("skip", "are left out"))),
    Field("allow", "Faults to pass over", Kind.SEVERAL, default=(), group="Faults", folded=True, choices=_CHECKS),
)  # fmt: skip

_SHUFFLE = Field("shuffle", "Shuffle the training set", Kind.FLAG, default=True, group="Order", folded=True)

_SHARE = Field(
    "val_percent", "Share for validation", Kind.NUMBER, default=10.0, least=0, most=99.9, unit="%", group="Validation"
)

_SPLITS = (
    Field("train_split", "Split to train on", group="Splits", most_signs=60, hint="By name; empty: the usual one."),
    Field("val_split", "Split to validate on", group="Splits", most_signs=60, hint="By name; empty: the usual one."),
)

_FOLDER = (
    _NAME,
    Field("images", "Images", Kind.PATH, required=True, group="Files",
          hint="A folder on the server, or a text file with a path a line."),
    Field("labels", "Labels", Kind.PATH, required=True, group="Files",
          hint="A folder, or a list, of label images with the names of the images: PNG, one class a pixel."),
    Field("label_encoding", "Pixels of labels hold", Kind.CHOICE, default="", group="Classes", choices=(
        Choice("", "what the first label holds"), Choice("palette", "indices of a palette"),
        Choice("grey", "grey values"), Choice("rgb", "colours"))),
    Field("colours", "Colours of the classes", Kind.LINES, group="Classes", most_signs=20_000,
          hint='"R G B" or "R G B NAME" a line, from class 0 on; "255: R G B" is the ignored label. '
          "Empty: from the first label."),
    Field("classes", "Classes", Kind.LINES, group="Classes", most_signs=20_000,
          hint="Their names, one a line, or their number; other values in labels are faults. Empty: not known."),
    Field("ignore", "Ignored value", Kind.INTEGER, default=255, least=-1, most=255, group="Classes",
          hint="Pixels that are neither learned nor scored; -1 for no such value."),
    Field("validation", "Validation set", Kind.CHOICE, default="share", group="Validation", choices=(
        Choice("share", "a share of the pairs"), Choice("folders", "folders of its own"), Choice("none", "none"))),
    Field("val_percent", "Share for validation", Kind.NUMBER, default=10.0, least=0, most=99.9, unit="%",
          group="Validation", when=("validation", ("share",))),
    Field("val_images", "Images for validation", Kind.PATH, group="Validation", when=("validation", ("folders",))),
    Field("val_labels", "Labels for validation", Kind.PATH, group="Validation", when=("validation", ("folders",))),
    *_STORED[:3],
    Field("same_size", "All images must have one size", Kind.FLAG, default=False, group="Images"),
    *_STORED[3:],
    _SHUFFLE,
    _SEED,
)  # fmt: skip

_TRIANGLES = (
    _NAME,
    Field("count", "Pairs", Kind.INTEGER, default=10_000, least=2, most=1_000_000),
    Field("size", "Side of an image", Kind.INTEGER, default=32, least=2, most=4096, unit="pixels"),
    Field("grid", "Rows and columns of the grid picture", Kind.INTEGER, default=10, least=1, most=100),
    Field("val_percent", "Share for validation", Kind.NUMBER, default=10.0, least=0, most=99.9, unit="%"),
    _SEED,
)

_MNIST = Field(
    "mnist",
    "Folder of MNIST",
    Kind.PATH,
    required=True,
    hint="It has MNIST's four IDX files, or their .gz.",
    is_folder=True,
)

_M2NIST = (
    _NAME,
    _MNIST,
    Field("count", "Images", Kind.INTEGER, default=5000, least=1, most=1_000_000),
    Field("background", "Background", Kind.CHOICE, default="class", choices=(
        Choice("class", "a class of its own"), Choice("ignore", "ignored"))),
    Field("masks", "Also write the masks", Kind.FLAG, default=True),
    Field("val_percent", "Share for validation", Kind.NUMBER, default=20.0, least=0, most=99.9, unit="%"),
    Field("seed", "Random seed", Kind.INTEGER, default=1234, least=0, most=2**32 - 1, group="Order", folded=True),
)  # fmt: skip

_VOC = (
    _NAME,
    Field(
        "path", "VOC", Kind.PATH, required=True, group="Files", hint="VOCdevkit, a year's folder, or the published tar."
    ),
    Field(
        "sbdd",
        "SBDD",
        Kind.PATH,
        group="Files",
        hint="The folder of SBDD, whose labels are added to the training set.",
        is_folder=True,
    ),
    Field("year", "Year", Kind.INTEGER, least=2007, most=2012, group="Files", hint="Where there are several."),
    *_SPLITS,
    *_STORED,
    _SHUFFLE,
    _SEED,
)


def _list_published_fields(*own: Field) -> tuple[Field, ...]:
    return (_NAME, *own, *_SPLITS, *_STORED, _SHUFFLE, _SEED)


def _folder(name: str, label: str, hint: str = "") -> Field:
    return Field(name, label, Kind.PATH, required=True, group="Files", hint=hint, is_folder=True)


@dataclass(frozen=True)
class DataKind:
    """A kind of data set: a command of ``caffe-fcn data``, and the fields of its form."""

    name: str
    title: str
    about: str
    fields: tuple[Field, ...]
    plan: Callable[[Mapping[str, Any]], Plan]
    """Plan a build of checked values, whose paths are whole."""


def make_task(settings: Settings, given: Mapping[str, Any]) -> Task:
    """Return the task that builds what the form asks for; raises `FormError`.

    Where classes or colours were typed, their files are written beside the data set.
    """
    task, texts = draft_task(settings, given)
    for file, text in texts.items():
        with files.naming_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(file, text)
    return task


def draft_task(settings: Settings, given: Mapping[str, Any]) -> tuple[Task, dict[Path, str]]:
    """Return the task, and the texts of the files that it reads, of which none is written; raises `FormError`."""
    kind, values = _read(settings, given, is_named=True)
    target: Path = values.pop("name")
    words = ["data", kind.name]
    if "path" in values:
        words.append(guard(_relative(settings, values.pop("path"))))
    texts: dict[Path, str] = {}
    for name in ("classes", "colours"):
        text = (values.get(name) or "").strip("\n")
        if text and not (name == "classes" and re.fullmatch("[0-9]+", text.strip())):
            values[name] = target.with_name(f"{target.name}.{name}.txt")
            texts[values[name]] = f"{text}\n"
    words += [word for each in kind.fields if each.name in values for word in _spell(settings, each, values[each.name])]
    workers = count_workers(settings)
    output = places.name_relative(settings, target)
    words += ["-o", guard(output), "--workers", str(workers)]
    task = Task(f"Build {output}", job.Kind.DATA, (tuple(words),), makes=output, cores=workers)
    return task, texts


@dataclass(frozen=True)
class MadePreview:
    """A preview of a form, and what is wrong with it beside the fields that can mend it."""

    preview: Preview
    error: FormError | None
    classes: tuple[str, ...]
    """Value -> name, of the values that have one."""
    names: Mapping[str, str]
    """Check -> the label of the field that can mend what it finds."""


def make_preview(settings: Settings, given: Mapping[str, Any], count: int) -> MadePreview:
    """Look at a sample of what the form asks for; raises `FormError` where nothing can be shown."""
    from caffe_fcn.datasets.build import preview

    kind, values = _read(settings, given, is_named=False)
    try:
        plan = kind.plan(values)
        made = preview.make_preview(plan, count, workers=2)
    except CaffeFcnError as error:
        raise place_error(kind, values, _shorten(settings, error)) from error
    sentences: dict[str, str] = {}
    mended: dict[str, str] = {}
    labels = {each.name: each.label for each in kind.fields}
    for fault in (_shorten(settings, each) for each in made.faults):
        name = find_field(kind, values, fault)
        sentences.setdefault(name, write_sentence(fault))
        mended.setdefault(getattr(fault, "check", "broken"), labels.get(name, ""))
    return MadePreview(made, FormError(sentences) if sentences else None, tuple(plan.about.classes or ()), mended)


def _shorten(settings: Settings, error: Error) -> Error:
    """Return an error whose paths are relative to the workspace."""
    root = f"{settings.root.resolve()}/"
    error.where, error.what = error.where.replace(root, ""), error.what.replace(root, "")
    return error


def propose_colours(error: FormError) -> str:
    """Return the lines of colours that labels in colours need, or "" for another error."""
    cause = error.__cause__
    return "\n".join(getattr(cause, "lines", ()))


def find_kind(given: Mapping[str, Any]) -> DataKind:
    """Return the kind that a form is for; raises `FormError` for one that is not known."""
    name = given.get("kind", "")
    if not isinstance(name, str) or name not in KINDS:
        raise FormError({"kind": f"Choose one of: {', '.join(KINDS)}."})
    return KINDS[name]


def place_error(kind: DataKind, values: Mapping[str, Any], error: CaffeFcnError) -> FormError:
    """Return an error of the library as a sentence beside the field that can mend it."""
    name = find_field(kind, values, error)
    if getattr(error, "lines", ()):
        return FormError({name: _COLOURS_PROPOSED})
    return FormError({name: write_sentence(error)})


def find_field(kind: DataKind, values: Mapping[str, Any], error: CaffeFcnError) -> str:
    """Return the name of the field that an error is about; "" for none."""
    names = {each.name for each in kind.fields}
    check = getattr(error, "check", "")
    if check == "outside":
        found = "colours" if values.get("colours") or "colour" in error.what else "classes"
    else:
        found = _FIELD_OF_CHECK.get(check, "")
    if not found:
        named = error.where.split(":")[0].strip("`")
        found = next((_FIELD_OF_WHERE[word] for word in _FIELD_OF_WHERE if named.startswith(word)), named)
    if found not in names:
        inside = [
            each.name for each in kind.fields if each.kind is Kind.PATH and _contains(values.get(each.name), error)
        ]
        found = inside[-1] if inside else next((each for each in ("path", "images", "mnist") if each in names), "")
    return found


def write_sentence(error: CaffeFcnError) -> str:
    """Return an error as a sentence of a form."""
    text = f"{error.where}: {error.what}"
    return f"{text}; {error.mend}." if error.mend else f"{text}."


@dataclass(frozen=True)
class Action:
    """A command of ``caffe-fcn data`` for a data set; of its options ``{name}`` is the folder."""

    title: str
    command: str
    options: tuple[str, ...] = ()
    output: str = ""
    """The file in the data set that its stdout is written to."""


EXPLORE_PAGE = "explore.html"
"""The page that ``data explore`` writes into a data set."""

FAULTS_FILE = "faults.json"
"""The file of what ``data info --check --json`` found, in the folder of the data set."""

ACTIONS = {
    "statistics": Action("Measure", "statistics"),
    "check": Action("Check", "info", ("--check", "--json"), FAULTS_FILE),
    "explore": Action("Draw", "explore", ("-o", f"{{name}}/{EXPLORE_PAGE}")),
}
"""What a page offers to do with a data set, by the last part of the address."""


def make_action(settings: Settings, name: str, action: str) -> Task:
    """Return the task that does one of `ACTIONS` with the data set ``name``."""
    row, workers, folder = ACTIONS[action], count_workers(settings), guard(name)
    options = [option.replace("{name}", folder) for option in row.options]
    line = ("data", row.command, folder, *options, "--workers", str(workers))
    output = (f"{name}/{row.output}",) if row.output else ()
    page = f"/datasets/view/{quote(name)}"
    return Task(f"{row.title} {name}", job.Kind.DATA, (line,), makes=name, cores=workers, outputs=output, page=page)


def count_workers(settings: Settings) -> int:
    """Return the cores of a job with data: half of them, so that it need not wait for a training to end."""
    return max(1, settings.cores // 2)


def guard(word: str) -> str:
    """Return a word for a command line that no option can be mistaken for."""
    return f"./{word}" if word.startswith("-") else word


_COLOURS_PROPOSED = (
    "The labels hold colours, and nothing says which class each is. Those found are filled in: put them in the order "
    "of your classes, and name them."
)
_FIELD_OF_CHECK = {
    "pair": "labels", "name": "images", "16-bit": "allow", "alpha": "allow", "channels": "channels", "shape": "resize",
    "size": "labels", "lossy": "labels", "encoding": "label_encoding", "palette": "allow", "unlabelled": "allow",
    "one-class": "allow",
}  # fmt: skip
_FIELD_OF_WHERE = {
    "labels": "colours", "label encoding": "colours", "validation": "validation", "resizing": "resize",
    "colours": "colours",     "classes": "classes", "splits": "val_split", "triangles": "count", "m2nist": "count",
}  # fmt: skip


def _contains(folder: Any, error: CaffeFcnError) -> bool:
    return isinstance(folder, Path) and str(folder).endswith(error.where.rpartition("/")[0] or error.where)


def _read(settings: Settings, given: Mapping[str, Any], is_named: bool) -> tuple[DataKind, dict[str, Any]]:
    """Check the fields of a form; paths become whole, and the name the folder to make."""
    kind = find_kind(given)
    own = {name: value for name, value in given.items() if name != "kind"}
    table = kind.fields if is_named else [each for each in kind.fields if each.name != "name"]
    if not is_named:
        own.pop("name", None)
    errors: dict[str, str] = {}
    try:
        values = parse(table, own)
    except FormError as error:
        errors = error.fields
        values = {}
        for each in table:
            if each.name not in errors:
                values[each.name] = own.get(each.name)
    for each in table:
        value = values.get(each.name)
        if each.name in errors or not value or not isinstance(value, str):
            continue
        try:
            if each.name == "name":
                values["name"] = places.name_new(settings, GROUP, value)
            elif each.kind is Kind.PATH:
                values[each.name] = _find_source(settings, value, each.is_folder)
            elif each.name in ("train_split", "val_split") and not re.fullmatch(r"\w[\w.-]*", value):
                errors[each.name] = "Give the name of a split."
        except CaffeFcnError as error:
            errors[each.name] = write_sentence(error)
    if kind.name == "folder" and not errors:
        errors = {**_check_folder(values), **_check_lists(settings, values)}
    if errors:
        raise FormError(errors)
    return kind, values


def _find_source(settings: Settings, text: str, is_folder: bool) -> Path:
    path = places.resolve_source(settings, text)
    if not path.exists():
        raise FileError(text, "is not there", "choose a folder of the server, or upload one")
    if is_folder and not path.is_dir():
        raise FileError(text, "is a file", "choose a folder")
    return path


def _check_folder(values: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong between fields of the form of folders, and bring validation into the command's form."""
    chosen = values.pop("validation")
    if chosen != "folders":
        values.update(val_images=None, val_labels=None)
    if chosen != "share":
        values["val_percent"] = 0.0 if chosen == "none" else None
    errors = {}
    if chosen == "folders":
        for name in ("val_images", "val_labels"):
            if not values[name]:
                errors[name] = "This has to be given."
    for name, read in (("classes", _read_classes), ("colours", _read_colours)):
        try:
            read(values)
        except CaffeFcnError as error:
            errors[name] = write_sentence(error)
    return errors


def _check_lists(settings: Settings, values: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with lists of files: they name some outside the folders that the server may read."""
    from caffe_fcn.datasets.records.listed_files import ListedFiles

    errors = {}
    for name in ("images", "labels", "val_images", "val_labels"):
        path = values[name]
        if path is None or not path.is_file():
            continue
        try:
            listed = ListedFiles(path)
            for each in listed.names():
                places.resolve_source(settings, listed.find_path(each))
        except CaffeFcnError as error:
            errors[name] = write_sentence(error)
    return errors


def _spell(settings: Settings, asked: Field, value: Any) -> list[str]:
    """Return the option of a field as words; none where it has its default."""
    option = "--" + asked.name.replace("_", "-")
    if asked.kind is Kind.FLAG:
        return [] if value == asked.default else [option if value else f"--no-{option[2:]}"]
    if asked.kind is Kind.SEVERAL:
        return [word for each in value for word in (option, each)]
    if value is None or value == asked.default or value == "":
        return []
    text = "x".join(map(str, value)) if isinstance(value, tuple) else _relative(settings, value)
    return [f"{option}={text}"] if text.startswith("-") else [option, text]


def _relative(settings: Settings, value: Any) -> str:
    if isinstance(value, Path):
        return places.name_relative(settings, value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read_classes(values: Mapping[str, Any]) -> list[str] | None:
    from caffe_fcn.datasets.records import classes

    text = (values.get("classes") or "").strip()
    if not text:
        return None
    return classes.parse_names(text) if re.fullmatch("[0-9]+", text) else classes.split_names(text, "classes")


def _read_colours(values: Mapping[str, Any]) -> tuple[dict[int, tuple[int, int, int]] | None, list[str] | None]:
    from caffe_fcn.datasets.records import palette

    text = values.get("colours") or ""
    return palette.parse(text, "colours") if text.strip() else (None, None)


def _make_options(values: Mapping[str, Any]) -> ImportOptions:
    from caffe_fcn.datasets.build.options import ImportOptions
    from caffe_fcn.datasets.build.record_format import RecordFormat

    stored = RecordFormat(
        values["channels"], values["resize"], values["resize_mode"], values["images_as"], values["labels_as"],
        values["checks"] == "full",
    )  # fmt: skip
    return ImportOptions(
        stored,
        allow=values["allow"],
        shuffle=values.get("shuffle", True),
        seed=values["seed"],
        on_error=values["on_error"],
    )


def _plan_folder(values: Mapping[str, Any]) -> Plan:
    from caffe_fcn.datasets.formats import folder

    colours, names = _read_colours(values)
    return folder.plan(
        values["images"], values["labels"], values["val_images"], values["val_labels"], values["val_percent"],
        _read_classes(values) or names, colours, values["label_encoding"] or None,
        None if values["ignore"] < 0 else values["ignore"], values["same_size"], _make_options(values),
    )  # fmt: skip


def _plan_voc(values: Mapping[str, Any]) -> Plan:
    from caffe_fcn.datasets.formats import voc

    return voc.plan(
        values["path"], values["sbdd"], values["year"], values["train_split"] or "train", values["val_split"],
        _make_options(values),
    )  # fmt: skip


def _plan_triangles(values: Mapping[str, Any]) -> Plan:
    from caffe_fcn.datasets.formats import triangles

    return triangles.plan(**values)


def _plan_mnist(values: Mapping[str, Any]) -> Plan:
    from caffe_fcn.datasets.formats import mnist

    return mnist.plan(values["mnist"])


def _plan_m2nist(values: Mapping[str, Any]) -> Plan:
    from caffe_fcn.datasets.formats import m2nist

    own = {name: value for name, value in values.items() if name != "mnist"}
    return m2nist.plan(values["mnist"], **own)


def _plan_synthia(values: Mapping[str, Any]) -> Plan:
    from caffe_fcn.datasets.formats import synthia

    return synthia.plan(values["path"], values["val_percent"], _make_options(values))


def _plan_published(name: str, values: Mapping[str, Any], folders: Mapping[str, Path], **more: Any) -> Plan:
    from caffe_fcn.datasets.formats import published

    options = _make_options(values)
    return published.plan(name, folders, values["train_split"], values["val_split"], options=options, **more)


def _plan_nyud(values: Mapping[str, Any]) -> Plan:
    tops = ["color", "label", *(name for name in ("hha", "depth") if values[name])]
    return _plan_published("nyud", values, {"nyud_dir": values["path"]}, tops=tops)


def _plan_sift_flow(values: Mapping[str, Any]) -> Plan:
    return _plan_published("siftflow", values, {"siftflow_dir": values["path"]})


def _plan_pascal_context(values: Mapping[str, Any]) -> Plan:
    return _plan_published("pascalcontext", values, {"voc_dir": values["voc"], "context_dir": values["context"]})


KINDS = {
    kind.name: kind
    for kind in (
        DataKind(
            "folder",
            "Images and labels",
            "A folder of photos and a folder of label images, or an upload.",
            _FOLDER,
            _plan_folder,
        ),
        DataKind(
            "triangles",
            "Triangles",
            "Drawn here in seconds: outlines to fill, the first tutorial.",
            _TRIANGLES,
            _plan_triangles,
        ),
        DataKind(
            "voc",
            "PASCAL VOC",
            "Its folder or its tar, as published, with SBDD's labels if you have them.",
            _VOC,
            _plan_voc,
        ),
        DataKind(
            "m2nist",
            "M2NIST",
            "Images of several digits, each pixel labelled, composed of MNIST.",
            _M2NIST,
            _plan_m2nist,
        ),
        DataKind("mnist", "MNIST", "The digits, for classifiers.", (_NAME, _MNIST), _plan_mnist),
        DataKind(
            "synthia",
            "SYNTHIA",
            "SYNTHIA-RAND-CVPR16: rendered streets.",
            (_NAME, _folder("path", "SYNTHIA", "The folder with RGB and GT."), _SHARE, *_STORED, _SEED),
            _plan_synthia,
        ),
        DataKind(
            "nyud",
            "NYUDv2",
            "Rooms in 40 classes, with depth.",
            _list_published_fields(
                _folder("path", "NYUDv2"),
                Field("hha", "Also depth as HHA", Kind.FLAG, default=False, group="Files"),
                Field("depth", "Also the logarithm of depth", Kind.FLAG, default=False, group="Files"),
            ),
            _plan_nyud,
        ),
        DataKind(
            "sift-flow",
            "SIFT Flow",
            "Outdoor scenes, with geometric labels.",
            _list_published_fields(_folder("path", "SIFT Flow")),
            _plan_sift_flow,
        ),
        DataKind(
            "pascal-context",
            "PASCAL-Context",
            "VOC 2010 in 59 classes and the background.",
            _list_published_fields(
                _folder("voc", "Folder that holds VOC2010"), _folder("context", "Folder of PASCAL-Context")
            ),
            _plan_pascal_context,
        ),
    )
}
"""The kinds by name."""
