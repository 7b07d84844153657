"""A Python data layer for pycaffe that stands in for all those of the reference FCNs.

In a prototxt, as with the reference's own layers (the keys of param_str are the same):

    layer {
      name: "data" type: "Python" top: "data" top: "label"
      python_param {
        module: "pycaffe_layers" layer: "SegDataLayer"
        param_str: "{'voc_dir': 'VOC2011', 'split': 'val', 'mean': (104.00699, 116.66877, 122.67892)}"
      }
    }

with this file's folder in PYTHONPATH; the folder ``reference_layers`` beside it has the reference's module
names (voc_layers, ...) for prototxts that are used as they are. param_str is read as a literal, and never
evaluated. Which data set it is follows from the folders that are named: voc_dir, sbdd_dir, nyud_dir,
siftflow_dir, or voc_dir with context_dir.

One pair is loaded at a time and the net takes its size. Training splits (those with "train" in their name) are
drawn at random, seeded by ``seed``, unless ``randomize`` is False; others run in order. Like ``layouts`` this
module stands alone, to run in the Python that pycaffe was built for.
"""

# ruff: noqa: UP006, UP035, PTH123 - for old Pythons

import ast
import random
from typing import Any, Dict, Sequence, Tuple

import numpy as np

try:
    from caffe import Layer
except ImportError:  # outside of pycaffe
    Layer = object

if __package__:
    from caffe_fcn.datasets.reference_layers import layouts
else:  # the folder alone is on the path, as Python may be too old for the package
    import layouts  # type: ignore[no-redef]

_OPTIONS = ("split", "mean", "seed", "randomize", "tops")

# In Caffe's order, B, G, R; of HHA in its own; of depth, of its logarithm.
_COLOR_MEANS = {
    "voc": (104.00698793, 116.66876762, 122.67891434),
    "sbdd": (104.00698793, 116.66876762, 122.67891434),
    "nyud": (116.190, 97.203, 92.318),
    "siftflow": (114.578, 115.294, 108.353),
    "pascalcontext": (104.007, 116.669, 122.679),
}
_HHA_MEAN = (132.431, 94.076, 118.477)
_LOG_DEPTH_MEAN = 7.844


class SegData:
    """Loads images and their labels, one at a time, from a published data set as it was unpacked.

    Whoever makes one sets ``param_str``, as Caffe does. It is no pycaffe layer itself: those can only be made by Caffe.
    """

    param_str: str

    def setup(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Read param_str and the split's list; raises ValueError or TypeError for what does not fit."""
        self.params = _literal(self.param_str)
        self.layout_name, self.layout = _layout(self.params)
        self.tops = list(self.params.get("tops", _default_tops(self.layout_name)))
        if len(bottom) or len(top) != len(self.tops):
            raise ValueError(f"{self.layout_name}: needs no bottom, and the tops {', '.join(self.tops)}")
        for name in self.tops:
            if name not in self.layout.tops:
                known = ", ".join(sorted(self.layout.tops))
                raise ValueError(f"{self.layout_name}: has no top {name!r} (it has {known})")
        mean = self.params.get("mean", _COLOR_MEANS[self.layout_name])
        self.mean = np.array(mean, np.float32)
        self.table = self.layout.table(self.params) if self.layout.table else None
        path = self.layout.names.format(**self.params)
        with open(path) as lines:
            self.names = layouts.split_names(lines)
        if not self.names:
            raise ValueError(f"{path}: lists no images")
        self.random = None
        if "train" in self.params["split"] and self.params.get("randomize", True):
            self.random = random.Random(self.params.get("seed"))
        self.index = -1
        self._next()

    def reshape(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Load the pair, and give the tops its size."""
        self.loaded = [self._load(name) for name in self.tops]
        for place, array in enumerate(self.loaded):  # pycaffe's vectors can be indexed, not walked
            top[place].reshape(1, *array.shape)

    def forward(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Hand the pair over, and choose the next."""
        for place, array in enumerate(self.loaded):
            top[place].data[...] = array
        self._next()

    def backward(self, top: Sequence[Any], propagate_down: Sequence[bool], bottom: Sequence[Any]) -> None:
        """Data have no gradient."""

    def _next(self) -> None:
        if self.random:
            self.index = self.random.randint(0, len(self.names) - 1)
        else:
            self.index = (self.index + 1) % len(self.names)

    def _load(self, name: str) -> Any:
        top = self.layout.tops[name]
        path = top.path.format(name=self.names[self.index], **self.params)
        with open(path, "rb") as file:
            array = top.decode(file, self.table)
        if top.kind == "label":
            return array[np.newaxis]
        if top.kind == "depth":
            return np.log(array.astype(np.float32))[np.newaxis] - np.float32(_LOG_DEPTH_MEAN)
        if top.kind == "hha":
            return (array - np.array(_HHA_MEAN, np.float32)).transpose(2, 0, 1)
        return (array[:, :, ::-1] - self.mean).transpose(2, 0, 1)


class SegDataLayer(SegData, Layer):  # type: ignore[misc]
    """`SegData` as a layer of pycaffe."""


# The names of the reference's layers.
SBDDSegDataLayer = VOCSegDataLayer = NYUDSegDataLayer = SIFTFlowSegDataLayer = PASCALContextSegDataLayer = SegDataLayer


def _literal(text: str) -> Dict[str, Any]:
    try:
        params = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"param_str: is no Python literal: {error}") from error
    if not isinstance(params, dict):
        raise TypeError("param_str: is no dict such as {'voc_dir': 'VOC2011', 'split': 'val'}")
    return params


def _layout(params: Dict[str, Any]) -> Tuple[str, layouts.Layout]:
    """The layout whose folders are named; raises ValueError for keys that none of them has."""
    folders = {key for key in params if key not in _OPTIONS}
    for name, layout in layouts.LAYOUTS.items():
        if folders == set(layout.folders):
            if not isinstance(params.get("split"), str):
                raise ValueError("param_str: needs a split")
            return name, layout
    known = "; ".join(" and ".join(layout.folders) for layout in layouts.LAYOUTS.values())
    raise ValueError(f"param_str: names the folders {sorted(map(str, folders))} (expected: {known})")


def _default_tops(name: str) -> Tuple[str, ...]:
    return {"nyud": ("color", "label"), "siftflow": ("data", "sem", "geo")}.get(name, ("data", "label"))
