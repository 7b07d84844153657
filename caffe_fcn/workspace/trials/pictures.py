"""The pictures of a trial: the photo, and over it what the net answered, as PNGs.

| kind | is |
|---|---|
| photo | the image as it is |
| label, truth | the classes in their colours; where the colour is black, one sees through |
| probability | of one class: 0 is black, 1 is white |
| stretched | the same, from its least value to its greatest |
| grey | the answer of a net that gives grey values |

Probabilities are read where they lie in their file, which `infer` wrote without compression, so that a pixel costs a
few bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.records import images
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.evaluation.pictures import Picture, PictureFile, find_pictures
from caffe_fcn.evaluation.truths import Truths
from caffe_fcn.viz.labels import show_photo
from caffe_fcn.workspace import places
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.trials.trial import Answer, Trial

if TYPE_CHECKING:
    from PIL.Image import Image


class Pictures:
    """Draws the pictures of an image of a trial; raises `FileError` and `DatasetError` where there is none."""

    def __init__(self, settings: Settings, trial: Trial, answer: Answer) -> None:
        self._settings = settings
        self._trial = trial
        self._answer = answer

    def draw(self, kind: str, number: int = 0) -> bytes:
        """Return a picture as PNG; ``number`` is the class."""
        if kind == "photo":
            return _encode(self._read_photo())
        if kind == "truth":
            return _encode(self._read_truth())
        if kind in ("label", "grey"):
            label = _open_image(self.find_file("label"))
            return _encode(label if kind == "grey" else _see_through(label))
        plane = self.read_probabilities()[number].astype(np.float32)
        low, high = (0.0, 1.0) if kind == "probability" else (float(plane.min()), float(plane.max()))
        return _encode(_make_image(np.rint((plane - low) * (255 / ((high - low) or 1))).astype(np.uint8)))

    def find_file(self, kind: str) -> Path:
        """Return a file that `infer` wrote for the image."""
        if kind not in self._answer.files:
            raise FileError(self._answer.image, f"has no {kind} in this trial")
        return places.resolve_source(self._settings, self._answer.files[kind])

    def read_probabilities(self) -> NDArray[np.float32]:
        """Return the probabilities, C x H x W, mapped from their file."""
        return map_array(self.find_file("probabilities"), "probabilities")

    def count_classes(self) -> int:
        """Return how many classes there are probabilities of."""
        return len(self.read_probabilities()) if "probabilities" in self._answer.files else 0

    def find_picture(self) -> Picture:
        """Return the image itself."""
        wanted = [places.resolve_source(self._settings, each.partition("#")[0]) for each in self._trial.places]
        named = [
            str(path) + "".join(place.partition("#")[1:])
            for path, place in zip(wanted, self._trial.places, strict=True)
        ]
        found = find_pictures(named)
        if self._answer.number >= len(found):
            raise FileError(self._answer.image, "is no longer there")
        return found[self._answer.number]

    def _read_photo(self) -> Image:
        picture = self.find_picture()
        if isinstance(picture, PictureFile):
            image = _open_image(picture.path)
            return image if image.mode in ("L", "RGB") else image.convert("RGB")
        pixels = picture.pairs.read("images", picture.index)
        if pixels.dtype != np.uint8 or len(pixels) not in (1, 3):
            raise FileError(picture.where, "is no photo, which a browser could show")
        return _make_image(show_photo(pixels))

    def _read_truth(self) -> Image:
        if self._trial.truth is None:
            raise FileError(self._answer.image, "has no label in this trial")
        label = _open_image(self.find_file("label"))
        colours = label.getpalette() or []
        picture = self.find_picture()
        named = {value: (r, g, b) for value, (r, g, b) in enumerate(_group(colours))}
        truths = Truths(places.resolve_source(self._settings, self._trial.truth), named or None)
        found = truths.read(picture, (label.height, label.width))
        if found is None:
            raise FileError(self._answer.image, "has no label in this trial")
        image = _make_image(found)
        if colours:
            image.putpalette(colours)
        return _see_through(image)

    def look_up(self, x: int, y: int, most: int = 5) -> list[dict[str, Any]]:
        """Return the most probable classes of a pixel, with their probabilities."""
        planes = self.read_probabilities()
        if not (0 <= y < planes.shape[1] and 0 <= x < planes.shape[2]):
            raise CaffeFcnError(f"{x}, {y}", "is outside the image")
        values = np.array(planes[:, y, x], np.float64)
        best = np.argsort(-values, kind="stable")[:most].tolist()
        names = self.read_names(len(values))
        return [{"class": each, "name": names[each], "probability": float(values[each])} for each in best]

    def read_names(self, count: int) -> list[str]:
        """Return the names of the classes."""
        try:
            with np.load(self.find_file("probabilities"), allow_pickle=False) as content:
                names = [str(each) for each in content["classes"]]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # of another program: numbers do as well
            names = []
        return [names[each] if each < len(names) else f"class {each}" for each in range(count)]

    def read_colours(self) -> dict[int, str]:
        """Return the colours of the classes in the label, as a page writes them."""
        palette = list(_group(_open_image(self.find_file("label")).getpalette() or []))
        numbers = (each["class"] for each in self._answer.classes)
        return {number: "#{:02x}{:02x}{:02x}".format(*palette[number]) for number in numbers if number < len(palette)}

    def measure_channels(self) -> list[dict[str, Any]]:
        """Return the figures of each channel of the answer: least, mean, greatest."""
        planes = self.read_probabilities()
        names = self.read_names(len(planes))
        return [
            {
                "class": number,
                "name": names[number],
                "least": float(plane.min()),
                "mean": float(plane.mean(dtype=np.float64)),
                "greatest": float(plane.max()),
            }
            for number, plane in enumerate(planes)
        ]


def map_array(path: Path, name: str) -> NDArray[np.float32]:
    """Map an array of an .npz that is stored without compression; raises `FileError` where that cannot be done."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{name}.npy")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError("it is compressed")
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, is_fortran, kind = read(file)
                inner = file.tell()
        with path.open("rb") as file:
            file.seek(member.header_offset)
            header = file.read(30)  # the local header says again how long its name and its extra field are
            begin = member.header_offset + 30 + int.from_bytes(header[26:28], "little")
            begin += int.from_bytes(header[28:30], "little") + inner
        if kind != np.float32 or is_fortran or len(shape) != 3:
            raise ValueError("it has no planes of float32")
        if begin + int(np.prod(shape, dtype=np.int64)) * 4 > path.stat().st_size:
            raise ValueError("it is cut off")
        return np.memmap(path, np.float32, "r", begin, shape)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(path, f"has no {name}: {error}", "run the trial again") from error


def _open_image(path: Path) -> Image:
    data = path.read_bytes()
    return images.load(images.open_header(data, str(path)), str(path))


def _see_through(label: Image) -> Image:
    """Return a label as colours, transparent where they are black."""
    colours = np.zeros((256, 4), np.uint8)
    known = np.array(list(_group(label.getpalette() or [])), np.uint8).reshape(-1, 3)
    colours[: len(known), :3] = known
    colours[:, 3] = np.where(colours[:, :3].any(1), 255, 0)
    return _make_image(colours[np.asarray(label).astype(np.uint8)])


def _group(palette: Sequence[int]) -> list[tuple[int, int, int]]:
    return list(zip(palette[::3], palette[1::3], palette[2::3], strict=False))


def _make_image(pixels: NDArray[np.uint8]) -> Image:
    from PIL import Image

    return Image.fromarray(pixels)


def _encode(image: Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=1)
    return target.getvalue()
