"""Photos, labels and palettes, as ``caffe-fcn data folder`` takes them: the databases hold what Pillow reads."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from fuzz.containers import damaged_jpeg, damaged_png
from fuzz.formats.format import Files, Format, ValueChanged, either, one_of_its_files
from fuzz.mutations import damaged, damaged_lines
from PIL import Image

from caffe_fcn import datasets
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.records import classes, images, listed_files, palette

SIZE = (12, 16)
_COUNT = 3
_KINDS = ("photos", "masks")


@cache
def png(seed: int, mode: str = "RGB", most: int = 256) -> bytes:
    """A PNG of ``mode`` RGB, L or P, of values below ``most``."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, most, (*SIZE, 3) if mode in ("RGB", "RGBA") else SIZE).astype(np.uint8)
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette([value for colour in palette.make_voc_palette() for value in colour])
    out = io.BytesIO()
    image.convert(mode).save(out, "PNG")
    return out.getvalue()


@cache
def jpeg(seed: int, mode: str = "RGB") -> bytes:
    """A JPEG of a coarse picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize(SIZE[::-1]).convert(mode).save(out, "JPEG")
    return out.getvalue()


def _sets() -> list[Files]:
    """Folders of photos and labels: with palettes, grey, in colours."""
    made = []
    for mode in ("P", "L"):
        photos = {f"photos/{n}.{'jpg' if n % 2 else 'png'}": jpeg(n) if n % 2 else png(n) for n in range(_COUNT)}
        made.append({**photos, **{f"masks/{n}.png": png(n, mode, 3) for n in range(_COUNT)}})
    return [{**files, "colours.txt": _colours(), "classes.txt": b"0: sky\n1: road\n2: car\n"} for files in made]


def _colours() -> bytes:
    lines = [f"{r} {g} {b} class{number}" for number, (r, g, b) in enumerate(palette.make_voc_palette(3))]
    return "\n".join([*lines, "255: 224 224 192", ""]).encode()


def _in_colours() -> list[Files]:
    """Labels in the colours of a file."""
    files = dict(_sets()[0])
    for name in sorted(files):
        if name.startswith("masks/"):
            out = io.BytesIO()
            Image.open(io.BytesIO(files[name])).convert("RGB").save(out, "PNG")
            files[name] = out.getvalue()
    return [files]


def _with_lists() -> list[Files]:
    """Lists of the photos and the labels, and labels that are JPEGs."""
    files = _sets()[1]
    lists = {f"{kind}.txt": sorted(name for name in files if name.startswith(f"{kind}/")) for kind in _KINDS}
    jpegs = {f"lossy/{n}.jpg": jpeg(n, "L") for n in range(_COUNT)}
    return [{**files, **{name: "\n".join([*lines, ""]).encode() for name, lines in lists.items()}, **jpegs}]


def _damaged_picture(random: Random, data: bytes) -> bytes:
    return damaged_jpeg(random, data) if data.startswith(b"\xff\xd8") else damaged_png(random, data)


_BUILD = "data folder --images {i}/photos --labels {i}/masks -o {o}/set --workers 2"
_BUILDS = (
    _BUILD,
    f"{_BUILD} --classes 3 --val-percent 34",
    f"{_BUILD} --on-error skip --no-statistics",
    f"{_BUILD} --checks headers",
    f"{_BUILD} --images-as raw --labels-as raw --resize 8x8 --allow alpha --allow palette",
    f"{_BUILD} --classes {{i}}/classes.txt --channels grey --images-as png",
    f"{_BUILD} --resize 9x20 --resize-mode fill --allow 16-bit --allow palette",
)
_LISTED = "data folder --images {i}/photos.txt --labels {i}/masks.txt -o {o}/set --workers 2"
_LOSSY = "data folder --images {i}/photos --labels {i}/lossy -o {o}/set --workers 2 --classes 3"
_COLOURED = f"{_BUILD} --label-encoding rgb --colors {{i}}/colours.txt"


def _headers(inputs: Path) -> None:
    for path in sorted([*inputs.glob("photos/*"), *inputs.glob("masks/*")]):
        images.open_header(path.read_bytes(), str(path))


def _labels_are_pillows(inputs: Path, outputs: Path) -> None:
    """Every label in the database is what Pillow reads of its file, wherever both take it."""
    made = datasets.folder.build(
        outputs / "set",
        inputs / "photos",
        inputs / "masks",
        val_percent=0,
        options=ImportOptions(
            allow=("palette", "one-class", "unlabelled", "alpha"), shuffle=False, on_error="skip", measure=False
        ),
    )
    skipped = {each["name"] for each in made.splits["train"]["skipped"]}
    kept = [path.stem for path in sorted((inputs / "masks").iterdir()) if path.stem not in skipped]
    pairs = datasets.open(outputs / "set")
    for name, (image, label) in zip(kept, pairs, strict=True):
        theirs = _by_pillow(inputs / "masks" / f"{name}.png", "")
        if theirs is not None and not np.array_equal(label[0], theirs):
            raise ValueChanged(f"label {name} has other values")
        photo = next((inputs / "photos").glob(f"{name}.*"))
        shown = _by_pillow(photo, "RGB")
        if shown is not None and not np.array_equal(image, shown[:, :, ::-1].transpose(2, 0, 1)):
            raise ValueChanged(f"photo {name} has other values")


def _by_pillow(path: Path, mode: str) -> np.ndarray | None:
    """The pixels of an image, of images of a mode only; None where Pillow refuses what OpenCV, and we, may take."""
    try:
        with Image.open(path) as opened:
            return np.array(opened) if opened.mode == mode or not mode else None
    except (OSError, ValueError, SyntaxError, MemoryError):
        return None


def _read_palette(inputs: Path) -> None:
    palette.read(inputs / "colours.txt")


def _read_lists(inputs: Path) -> None:
    for kind in _KINDS:
        listed_files.ListedFiles(inputs / f"{kind}.txt")


def _lossy_headers(inputs: Path) -> None:
    for path in sorted(inputs.glob("lossy/*")):
        images.open_header(path.read_bytes(), str(path))


def _read_classes(inputs: Path) -> None:
    classes.read_names(inputs / "classes.txt")


FORMATS = [
    Format(
        "photo",
        _sets,
        lambda random, files: one_of_its_files(
            either((3, _damaged_picture), (1, damaged)), *[name for name in files if name.startswith("photos/")]
        )(random, files),
        _headers,
        _BUILDS,
        (_labels_are_pillows,),
    ),
    Format(
        "label",
        lambda: [*_sets(), *_in_colours()],
        lambda random, files: one_of_its_files(
            either((3, damaged_png), (1, damaged)), *[name for name in files if name.startswith("masks/")]
        )(random, files),
        _headers,
        (*_BUILDS, _COLOURED),
        (_labels_are_pillows,),
    ),
    Format(
        "palette",
        _in_colours,
        one_of_its_files(either((3, damaged_lines), (1, damaged)), "colours.txt"),
        _read_palette,
        (_COLOURED, f"{_COLOURED} --on-error skip"),
    ),
    Format(
        "class names",
        _sets,
        one_of_its_files(either((3, damaged_lines), (1, damaged)), "classes.txt"),
        _read_classes,
        (f"{_BUILD} --classes {{i}}/classes.txt", f"{_BUILD} --classes {{i}}/classes.txt --no-statistics"),
    ),
    Format(
        "file list",
        _with_lists,
        one_of_its_files(either((3, damaged_lines), (1, damaged)), *[f"{kind}.txt" for kind in _KINDS]),
        _read_lists,
        (_LISTED, f"{_LISTED} --on-error skip", f"{_LISTED} --val-images {{i}}/photos.txt --val-labels {{i}}/masks"),
    ),
    Format(
        "lossy label",
        _with_lists,
        lambda random, files: one_of_its_files(
            either((3, damaged_jpeg), (1, damaged)), *[name for name in files if name.startswith("lossy/")]
        )(random, files),
        _lossy_headers,
        (_LOSSY, f"{_LOSSY} --on-error skip"),
    ),
]
