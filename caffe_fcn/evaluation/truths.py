"""The labels that belong to pictures: of a folder of label images, or of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.records import opening
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.errors import DatasetError
from caffe_fcn.evaluation.label_folders import read_label
from caffe_fcn.evaluation.pictures import Picture, PictureRecord, find_stem, list_images
from caffe_fcn.files import PathLike


class Truths:
    """Finds the label of a picture in ``place``, by its name, folders before it included, or else its last part.

    Where ``place`` is a data set, it has the labels of its own records. ``colours`` are those of the classes, for label
    images without a palette. Raises `FileError` for a folder that does not exist or has no images.
    """

    def __init__(self, place: PathLike, colours: dict[int, Colour] | None = None) -> None:
        self._colours = colours
        self._is_data_set = bool(opening.splits(place))
        self._by_name = {} if self._is_data_set else list_images(place)
        stems = [name.rpartition("/")[2] for name in self._by_name]
        self._by_stem = {
            stem: path for stem, path in zip(stems, self._by_name.values(), strict=True) if stems.count(stem) == 1
        }

    def read(self, picture: Picture, size: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """Return the label H x W of a picture of ``size``, or None where there is none; raises `DatasetError`."""
        label: NDArray[Any]
        if self._is_data_set:
            if not isinstance(picture, PictureRecord) or picture.pairs.labels is None:
                return None
            label, where = picture.pairs.label(picture.index)[0], picture.where
        else:
            path = self._by_name.get(picture.name) or self._by_stem.get(find_stem(picture))
            if path is None:
                return None
            label, where = read_label(path, self._colours), str(path)
        if label.shape != size:
            found, wanted = ("x".join(map(str, each)) for each in (label.shape, size))
            raise DatasetError(where, f"is {found}, and its image {wanted}", "bring them to one size")
        return label
