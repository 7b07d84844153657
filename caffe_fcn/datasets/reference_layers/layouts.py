"""Where the published data sets keep their images and labels, and how to decode those.

The layouts are those that the reference's Python data layers read. With `mat_files` this module stands
alone (NumPy, Pillow, Python 3.6 or newer), because it also runs inside pycaffe, in whatever Python that was built for.
"""

# ruff: noqa: UP006, UP032, UP035, UP045, PTH123 - for old Pythons

from typing import IO, Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

import numpy as np

if __package__:
    from caffe_fcn.datasets.reference_layers import mat_files
else:  # the folder alone is on the path, as Python may be too old for the package
    import mat_files  # type: ignore[no-redef]

Params = Dict[str, Any]


Decode = Callable[[IO[bytes], Any], Any]


class Top(NamedTuple):
    """One output: where its file lies, what it is, and ``decode(file, table)`` to H x W (x 3).

    Kinds: ``color`` (R, G, B), ``hha`` (three planes), ``depth`` (millimetres), ``label`` (class indices).
    """

    path: str
    kind: str
    decode: Decode


class Layout(NamedTuple):
    """A data set: the parameters that name its folders, where a split lists its names, its tops.

    ``table(params)`` makes what its labels are decoded with, and is None where they need nothing.
    """

    folders: Tuple[str, ...]
    names: str
    tops: Dict[str, Top]
    table: Optional[Callable[[Params], Any]] = None


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
    return _mat(file, "GTcls", "Segmentation").astype(np.uint8)


def nyud_label(file: IO[bytes], table: Any = None) -> Any:
    """NYUDv2 in 40 classes: void, 0 in the file, becomes 255."""
    return _mat(file, "segmentation").astype(np.uint8) - np.uint8(1)


def siftflow_label(file: IO[bytes], table: Any = None) -> Any:
    """SIFT Flow: void, 0 or -1 in the file, becomes 255."""
    return np.maximum(_mat(file, "S"), 0).astype(np.uint8) - np.uint8(1)


def context_label(file: IO[bytes], table: Any) -> Any:
    """PASCAL-Context: the 459 classes of the file as the 59 of the task, all others 0."""
    label = _mat(file, "LabelMap")
    if label.size and not (label.min() >= 0 and label.max() < len(table)):
        raise ValueError(
            "has classes from {} to {}, and labels.txt {}".format(label.min(), label.max(), len(table) - 1)
        )
    return table[label]


def context_table(params: Params) -> Any:
    """459 classes -> 59, from the two lists of names that come with PASCAL-Context."""
    every, task = (_class_names(f"{params['context_dir']}/{name}") for name in ("labels.txt", "59_labels.txt"))
    renamed = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}
    table = np.zeros(len(every) + 1, np.uint8)
    for index, name in enumerate(task, 1):
        table[every.index(renamed.get(name, name)) + 1] = index
    return table


LAYOUTS = {
    "voc": Layout(
        ("voc_dir",),
        "{voc_dir}/ImageSets/Segmentation/{split}.txt",
        {
            "data": Top("{voc_dir}/JPEGImages/{name}.jpg", "color", picture),
            "label": Top("{voc_dir}/SegmentationClass/{name}.png", "label", indices),
        },
    ),
    "sbdd": Layout(
        ("sbdd_dir",),
        "{sbdd_dir}/{split}.txt",
        {
            "data": Top("{sbdd_dir}/img/{name}.jpg", "color", picture),
            "label": Top("{sbdd_dir}/cls/{name}.mat", "label", sbdd_label),
        },
    ),
    "nyud": Layout(
        ("nyud_dir",),
        "{nyud_dir}/{split}.txt",
        {
            "color": Top("{nyud_dir}/data/images/img_{name}.png", "color", picture),
            "depth": Top("{nyud_dir}/data/depth/img_{name}.png", "depth", indices),
            "hha": Top("{nyud_dir}/data/hha/img_{name}.png", "hha", picture),
            "label": Top("{nyud_dir}/segmentation/img_{name}.mat", "label", nyud_label),
        },
    ),
    "siftflow": Layout(
        ("siftflow_dir",),
        "{siftflow_dir}/{split}.txt",
        {
            "data": Top(
                "{siftflow_dir}/Images/spatial_envelope_256x256_static_8outdoorcategories/{name}.jpg",
                "color",
                picture,
            ),
            "sem": Top(
                "{siftflow_dir}/SemanticLabels/spatial_envelope_256x256_static_8outdoorcategories/{name}.mat",
                "label",
                siftflow_label,
            ),
            "geo": Top(
                "{siftflow_dir}/GeoLabels/spatial_envelope_256x256_static_8outdoorcategories/{name}.mat",
                "label",
                siftflow_label,
            ),
        },
    ),
    "pascalcontext": Layout(
        ("voc_dir", "context_dir"),
        "{voc_dir}/VOC2010/ImageSets/Main/{split}.txt",
        {
            "data": Top("{voc_dir}/VOC2010/JPEGImages/{name}.jpg", "color", picture),
            "label": Top("{context_dir}/trainval/{name}.mat", "label", context_label),
        },
        context_table,
    ),
}


def split_names(lines: Iterable[str]) -> List[str]:
    """The names in a split's list: the first word of each line."""
    return [line.split()[0] for line in lines if line.strip()]


def _mat(file: IO[bytes], name: str, field: Optional[str] = None) -> Any:
    """The whole numbers of a matrix in a MATLAB file; raises ValueError where there are none."""
    values = mat_files.matrix(file.read(), name, field)
    if values.dtype.kind == "f" and not (np.abs(values) < 1 << 53).all():
        raise ValueError("has values that are no classes")
    return values.astype(np.int64)


def _class_names(path: str) -> List[str]:
    with open(path) as lines:
        return [line.partition(":")[2].replace(" ", "").strip() for line in lines if ":" in line]
