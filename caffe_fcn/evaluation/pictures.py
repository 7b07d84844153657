"""The images that a net is run on: files, folders, patterns, lists of files, and data sets.

    for picture in find_pictures(["photo.png", "photos", "more/*.jpg", "names.txt", "set", "set#train:7"]):
        picture.name                # "summer/beach", by which its outputs are called
        picture.read(taken)         # what an input of a net takes of it

A net with several inputs takes more than one image of a scene: `add_inputs` finds the others by their names.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import images, opening
from caffe_fcn.datasets.records.listed_files import ListedFiles
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError, EngineError, FileError, WeightsError, nearest
from caffe_fcn.evaluation.net_inputs import ImageInput
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.weights.means import read_array

Array = NDArray[Any]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pnm", ".tif", ".tiff", ".gif", ".webp")
"""The files of a folder that are taken for images; others, and hidden ones, are passed over."""

ARRAY_SUFFIX = ".npy"
"""What holds planes that no image file can."""

_LIST_SUFFIXES = (".txt", ".lst", ".list")
_RECORD = re.compile(r"(?P<folder>.+)#(?P<split>[\w.-]+)(:(?P<index>[0-9]{1,9}))?")


@dataclass(frozen=True)
class PictureFile:
    """An image file. ``name`` is that of its outputs, folders before it included.

    ``further`` are the files for the other inputs of a net.
    """

    name: str
    path: Path
    further: Mapping[str, Path] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The location in messages."""
        return str(self.path)

    def read(self, taken: ImageInput) -> Array:
        """Return what an input takes, C x H x W as a record has it; raises `DatasetError` or `FileError`."""
        return read_image(self.further.get(taken.blob, self.path), taken.channels, taken.order, taken.logarithm)


@dataclass(frozen=True)
class PictureRecord:
    """Record ``index`` of a data set, as `PictureFile`; ``further`` are files in place of its databases."""

    name: str
    pairs: Pairs
    index: int
    further: Mapping[str, Path] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return self.pairs.locate(self.pairs.images, self.index)

    def read(self, taken: ImageInput) -> Array:
        if taken.blob in self.further:
            return read_image(self.further[taken.blob], taken.channels, taken.order, taken.logarithm)
        pixels = self.pairs.read(taken.database, self.index)
        if len(pixels) == taken.channels:
            return pixels
        if pixels.dtype != np.uint8 or len(pixels) not in (1, 3) or taken.order == "planes":
            what = f"has {len(pixels)} channels, and blob '{taken.blob}' takes {taken.channels}"
            raise DatasetError(self.where, what, "take a net for such images")
        mode = "L" if taken.channels == 1 else "RGB"
        return images.to_planes(np.asarray(images.to_pillow(pixels).convert(mode)))


Picture: TypeAlias = PictureFile | PictureRecord


def find_pictures(places: Sequence[str], without: Path | None = None) -> list[Picture]:
    """Return the pictures in files, folders, patterns (``*.jpg``), lists of files and data sets, in a fixed order.

    Of a folder all images below it are taken, in the order of their names, but for those in the folder ``without``.
    Of a data set it is the split val, or else the first; ``SET#SPLIT`` is another split, ``SET#SPLIT:N`` its record N,
    from 0. Raises `FileError` where a place has no image.
    """
    return [picture for place in places for picture in _find_at(place, without)]


def list_images(folder: PathLike) -> dict[str, Path]:
    """Return the images below a folder by their names, without suffixes, as they are for outputs.

    Raises `FileError` where the folder does not exist or has none, `DatasetError` where two have the same name.
    """
    path = Path(folder)
    with files.naming_errors(path):
        os.listdir(path)  # noqa: PTH208 - raises for what is no folder
    found: dict[str, Path] = {}
    for each in _name_files(str(folder), _walk(path, IMAGE_SUFFIXES), path, None):
        if each.name in found:
            raise DatasetError(each.where, f"has the name of {found[each.name]}", "leave one of them away")
        found[each.name] = each.path
    return found


def add_inputs(
    pictures: Sequence[Picture], given: Mapping[str, PathLike], inputs: Sequence[ImageInput], net: PathLike
) -> list[Picture]:
    """Return the pictures with the files for the further inputs of a net; ``given`` has a folder or file for each.

    In a folder, the file is that which has the picture's name, folders before it included, or else its last part.
    Raises `EngineError` where an input is not named, or what is named is none; `DatasetError` where a file is missing.
    """
    wanted = [each.blob for each in inputs[1:]]
    for blob in given:
        if blob not in wanted:
            what = f"{blob!r} is no further input of {net}" + (f", only {', '.join(wanted)}" if wanted else "")
            raise EngineError("`inputs`", what, nearest(blob, wanted))
    missing = [blob for blob in wanted if blob not in given]
    if missing and any(isinstance(picture, PictureFile) for picture in pictures):
        names = ", ".join(each.blob for each in inputs)
        what = f"takes {names}, and nothing says where the images of '{missing[0]}' are"
        raise EngineError(net, what, f"give `inputs` {missing[0]}=DIR")
    folders = {blob: _Partners(Path(place), len(pictures)) for blob, place in given.items()}
    if not folders:
        return list(pictures)
    return [replace(each, further={blob: of.find(each) for blob, of in folders.items()}) for each in pictures]


def find_data_set(pictures: Sequence[Picture]) -> Description | None:
    """Return the description of the data set that the pictures are from; None for files."""
    return next((each.pairs.about for each in pictures if isinstance(each, PictureRecord)), None)


def read_all(picture: Picture, inputs: Sequence[ImageInput]) -> dict[str, Array]:
    """Return what each input takes of a picture; raises `DatasetError` where their sizes differ."""
    found = {each.blob: picture.read(each) for each in inputs}
    check_sizes(found, picture.where)
    return found


def check_sizes(found: Mapping[str, Array], where: str) -> None:
    """Raise `DatasetError` unless all images of a scene have the size of the first."""
    (main, first), *more = found.items()
    for blob, pixels in more:
        if pixels.shape[1:] != first.shape[1:]:
            what = f"its image for '{blob}' is {dims(pixels.shape[1:])}, and that for '{main}' {dims(first.shape[1:])}"
            raise DatasetError(where, what, "bring them to one size")


def read_image(path: PathLike, channels: int, order: str = "BGR", logarithm: bool = False) -> Array:
    """Read an image file as a record has it, C x H x W: grey, three channels (blue first), or planes in their order.

    Planes also come from an .npy with H x W or C x H x W floats. Raises `DatasetError` for what is not such
    an image.
    """
    where = str(path)
    if order != "planes":
        picture = images.load(images.open_header(files.read_bytes(path), where), where)
        return images.to_planes(np.asarray(picture.convert("L" if channels == 1 else "RGB")))
    planes = _read_array(path) if where.endswith(ARRAY_SUFFIX) else _read_planes(path, channels)
    if len(planes) != channels:
        raise DatasetError(where, f"has {len(planes)} planes, and the net takes {channels}", "name another file")
    if not logarithm:
        return planes
    if planes.min() <= 0:
        raise DatasetError(where, f"has the value {planes.min()}, which has no logarithm", "fill in what is not known")
    return np.log(planes.astype(np.float32))


def _read_planes(path: PathLike, channels: int) -> Array:
    data, where = files.read_bytes(path), str(path)
    picture = images.load(images.open_header(data, where), where)
    if channels == 1:
        grey = np.asarray(picture if images.is_deep(picture, data) else picture.convert("L"))
        return grey[None] if grey.ndim == 2 else grey.transpose(2, 0, 1)
    pixels = np.asarray(picture if picture.mode in ("RGBA", "CMYK") else picture.convert("RGB"))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _read_array(path: PathLike) -> Array:
    try:
        tensor = read_array(path)
    except WeightsError as error:
        raise DatasetError(error.where, error.what, "write float32 by numpy.save") from error
    if len(tensor.shape) not in (2, 3) or not tensor.count:
        what = f"holds {dims(tensor.shape)} numbers"
        raise DatasetError(str(path), what, "write H x W or C x H x W numbers by numpy.save")
    if tensor.shape[-1] * tensor.shape[-2] > images.MOST_PIXELS:
        raise DatasetError(str(path), f"is too large: {dims(tensor.shape)}", f"at most {images.MOST_PIXELS} pixels")
    values: Array = tensor.cast("float32", str(path)).load()
    return values.reshape((-1, *tensor.shape[-2:]))


def _find_at(place: str, without: Path | None) -> list[Picture]:
    path = Path(place)
    if path.is_dir():
        if opening.splits(path):
            return _open_data_set(path, "val" if "val" in opening.splits(path) else None)
        return [*_name_files(place, _walk(path, IMAGE_SUFFIXES), path, without)]
    if not path.exists() and glob.has_magic(place):
        matches = sorted(map(Path, glob.iglob(place, recursive=True)))  # noqa: PTH207 - it may be absolute
        found = [each for each in matches if each.is_file() and each.suffix.lower() in IMAGE_SUFFIXES]
        return [*_name_files(place, found, _find_base(place), without)]
    match = None if path.exists() else _RECORD.fullmatch(place)
    if match and Path(match["folder"]).is_dir() and opening.splits(match["folder"]):
        return _open_records(match)
    if path.suffix.lower() in _LIST_SUFFIXES:
        listed = ListedFiles(place)
        listed.require_all()
        paths = {name: Path(listed.find_path(name)) for name in listed.names()}
        return [PictureFile(Path(name).with_suffix("").as_posix(), path) for name, path in paths.items()]
    with files.naming_errors(place), path.open("rb"):
        return [PictureFile(path.stem, path)]


def _open_records(match: re.Match[str]) -> list[Picture]:
    """Return the pictures of ``SET#SPLIT`` or ``SET#SPLIT:N``."""
    found = _open_data_set(Path(match["folder"]), match["split"])
    if match["index"] is None:
        return found
    number = int(match["index"])
    if number >= len(found):
        raise FileError(match[0], f"has only {len(found)} records", f"take one from 0 to {len(found) - 1}")
    return found[number : number + 1]


def _open_data_set(folder: Path, split: str | None) -> list[Picture]:
    pairs = opening.open(folder, split)
    keys = pairs.images.keys()
    return [PictureRecord(_escape(keys[index].decode(errors="replace")), pairs, index) for index in range(len(pairs))]


def _escape(key: str) -> str:
    """Return the key of a record as the name of a file."""
    return re.sub(r"[^\w.-]", "_", key).lstrip(".") or "_"


def _name_files(place: str, files: Sequence[Path], base: Path, without: Path | None) -> list[PictureFile]:
    excluded = without.resolve() if without else None
    found = [each for each in files if excluded not in each.resolve().parents]
    if not found:
        raise FileError(place, "has no images", f"of the suffixes {', '.join(IMAGE_SUFFIXES)}")
    return [PictureFile(each.relative_to(base).with_suffix("").as_posix(), each) for each in found]


def _find_base(pattern: str) -> Path:
    """Return the folder before the first part of a pattern that has a wildcard."""
    parts = Path(pattern).parts
    return Path(*parts[: next(number for number, part in enumerate(parts) if glob.has_magic(part))])


def _walk(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files below a folder that have one of the suffixes, in the order of their names."""

    def list_files() -> Iterator[Path]:
        for at, folders, names in os.walk(folder):
            folders[:] = [each for each in folders if not each.startswith(".")]
            yield from (Path(at, each) for each in names if not each.startswith("."))

    return sorted(each for each in list_files() if each.suffix.lower() in suffixes and each.is_file())


class _Partners:
    """The files that a further input takes, by the names of the pictures that they belong to."""

    def __init__(self, place: Path, pictures: int) -> None:
        self._place = place
        self._only: Path | None = None
        self._by_name: dict[str, Path] = {}
        self._by_stem: dict[str, list[Path]] = {}
        with files.naming_errors(place):
            place.stat()
        if not place.is_dir():
            if pictures != 1:
                raise FileError(place, f"is one file, and there are {pictures} images", "name a folder")
            self._only = place
            return
        for each in _walk(place, (*IMAGE_SUFFIXES, ARRAY_SUFFIX)):
            self._by_name.setdefault(each.relative_to(place).with_suffix("").as_posix(), each)
            self._by_stem.setdefault(each.stem, []).append(each)

    def find(self, picture: Picture) -> Path:
        """Return the file that belongs to a picture; raises `DatasetError` where there is none, or more than one."""
        if self._only is not None:
            return self._only
        stem = find_stem(picture)
        found = [self._by_name[picture.name]] if picture.name in self._by_name else self._by_stem.get(stem, [])
        if len(found) != 1:
            what = f"has no image of that name in {self._place}" if not found else f"could be {found[0]} or {found[1]}"
            raise DatasetError(picture.where, what, "name both alike, in folders alike")
        return found[0]


def find_stem(picture: Picture) -> str:
    """Return the name of the file that a picture is, or was made of, without folders and suffix."""
    source = picture.pairs.names[picture.index] if isinstance(picture, PictureRecord) else picture.where
    return Path(source).stem
