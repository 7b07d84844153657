"""How the files of the published data sets are decoded: images, and labels as PNG or MATLAB files.

The rows of `published_sets` name these functions. With `mat_files` this module stands alone (NumPy, Pillow, Python 3.6
or newer), because it also runs inside pycaffe, in whatever Python that was built for.
"""

# ruff: noqa: UP006, UP032, UP035, UP045, PTH123 - for old Pythons

from typing import IO, Any, Callable, Dict, Iterable, List, Optional

import numpy as np

if __package__:
    from caffe_fcn.datasets.reference_layers import mat_files
else:  # the folder alone is on the path, as Python may be too old for the package
    import mat_files  # type: ignore[no-redef]

Params = Dict[str, Any]
Decoder = Callable[[IO[bytes], Any], Any]
"""Decodes a file, with the table of its data set or None, to H x W, or H x W x 3 (red first)."""


def picture(file: IO[bytes], table: Any = None) -> Any:
    """A colour image, H x W x 3, red first."""
    from PIL import Image

    return np.array(Image.open(file).convert("RGB"))


def indices(file: IO[bytes], table: Any = None) -> Any:
    """The indices of a paletted or grey label, or the values of a depth image."""
    from PIL import Image

    return np.array(Image.open(file))


def sbdd_label(file: IO[bytes], table: Any = None) -> Any:
    """SBDD: classes 0 to 20."""
    return _read_matrix(file, "GTcls", "Segmentation").astype(np.uint8)


def nyud_label(file: IO[bytes], table: Any = None) -> Any:
    """NYUDv2 in 40 classes: void, 0 in the file, becomes 255."""
    return _read_matrix(file, "segmentation").astype(np.uint8) - np.uint8(1)


def siftflow_label(file: IO[bytes], table: Any = None) -> Any:
    """SIFT Flow: void, 0 or -1 in the file, becomes 255."""
    return np.maximum(_read_matrix(file, "S"), 0).astype(np.uint8) - np.uint8(1)


def context_label(file: IO[bytes], table: Any) -> Any:
    """PASCAL-Context: the 459 classes of the file as the 59 of the task; all others become 0."""
    label = _read_matrix(file, "LabelMap")
    if label.size and not (label.min() >= 0 and label.max() < len(table)):
        raise ValueError(
            "has classes from {} to {}, and labels.txt {}".format(label.min(), label.max(), len(table) - 1)
        )
    return table[label]


def context_table(params: Params) -> Any:
    """An array from the 459 classes to the 59, made of the two lists of names that come with PASCAL-Context."""
    every, task = (_read_class_names(f"{params['context_dir']}/{name}") for name in ("labels.txt", "59_labels.txt"))
    renamed = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}
    table = np.zeros(len(every) + 1, np.uint8)
    for index, name in enumerate(task, 1):
        table[every.index(renamed.get(name, name)) + 1] = index
    return table


DECODERS: Dict[str, Decoder] = {
    decoder.__name__: decoder for decoder in (picture, indices, sbdd_label, nyud_label, siftflow_label, context_label)
}
TABLES: Dict[str, Callable[[Params], Any]] = {"context_table": context_table}
"""What a data set's labels are decoded with, made from the parameters of its layer."""


def parse_names(lines: Iterable[str]) -> List[str]:
    """The names in the list of a split: the first word of each line."""
    return [line.split()[0] for line in lines if line.strip()]


def _read_matrix(file: IO[bytes], name: str, field: Optional[str] = None) -> Any:
    """The integers of a matrix in a MATLAB file; raises ValueError for other numbers, or no such matrix."""
    values = mat_files.read_matrix(file.read(), name, field)
    if values.dtype.kind == "f" and not (np.abs(values) < 1 << 53).all():
        raise ValueError("has values that are no classes")
    return values.astype(np.int64)


def _read_class_names(path: str) -> List[str]:
    """The names in a list with lines such as "12: dining table", without their spaces."""
    with open(path) as lines:
        return [line.partition(":")[2].replace(" ", "").strip() for line in lines if ":" in line]
