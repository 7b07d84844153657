"""A Python data layer for pycaffe that stands in for all those of the reference FCNs.

In a prototxt, as with the reference's own layers (the keys of param_str are the same):

    layer {
      name: "data" type: "Python" top: "data" top: "label"
      python_param {
        module: "pycaffe_layers" layer: "SegDataLayer"
        param_str: "{'voc_dir': 'VOC2011', 'split': 'val', 'mean': (104.00699, 116.66877, 122.67892)}"
      }
    }

with this file's folder in PYTHONPATH. Modules of the reference's names lie beside it (voc_layers, ...), so that its
prototxts run as they are. param_str is read as a literal, and never evaluated. The folders that it names tell which
data set it is: voc_dir, sbdd_dir, nyud_dir, siftflow_dir, or voc_dir with context_dir (see `published_sets`).

The layer loads one image with its labels at a time, and the net takes its size. From training splits (those with
"train" in their name) it draws at random, seeded by ``seed``, unless ``randomize`` is False; others it reads in order.
Like `decoders` this module needs NumPy and Pillow alone, to run in the Python that pycaffe was built for.
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
    from caffe_fcn.datasets.reference_layers import decoders, published_sets
else:  # the folder alone is on the path, as Python may be too old for the package
    import decoders  # type: ignore[no-redef]
    import published_sets  # type: ignore[no-redef]

_OPTIONS = ("split", "mean", "seed", "randomize", "tops")


class SegData:
    """Loads images and their labels, one at a time, from a published data set as it was unpacked.

    Whoever makes one sets ``param_str``, as Caffe does. `SegDataLayer` is the layer for pycaffe: only Caffe can make
    that one.
    """

    param_str: str

    def setup(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Read param_str and the split's list; raises ValueError or TypeError for what does not fit."""
        self.params = parse_params(self.param_str)
        set_name, self.source = find_set(self.params)
        self.tops = list(self.params.get("tops", self.source.usual_tops))
        if len(bottom) or len(top) != len(self.tops):
            raise ValueError(f"{set_name}: needs no bottom, and the tops {', '.join(self.tops)}")
        for name in self.tops:
            if name not in self.source.tops:
                known = ", ".join(sorted(self.source.tops))
                raise ValueError(f"{set_name}: has no top {name!r} (it has {known})")
        self.means = {name: np.array(top.mean, np.float32) for name, top in self.source.tops.items()}
        if "mean" in self.params:
            colour = np.array(self.params["mean"], np.float32)
            self.means.update((name, colour) for name, top in self.source.tops.items() if top.kind == "color")
        self.table = decoders.TABLES[self.source.table](self.params) if self.source.table else None
        path = self.source.names.format(**self.params)
        with open(path) as lines:
            self.names = decoders.parse_names(lines)
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
        top, mean = self.source.tops[name], self.means[name]
        path = top.path.format(name=self.names[self.index], **self.params)
        with open(path, "rb") as file:
            array = decoders.DECODERS[top.decoder](file, self.table)
        if top.kind == "label":
            return array[np.newaxis]
        if top.kind == "depth":
            return np.log(array.astype(np.float32))[np.newaxis] - mean
        pixels = array[:, :, ::-1] if top.kind == "color" else array
        return (pixels - mean).transpose(2, 0, 1)


class SegDataLayer(SegData, Layer):  # type: ignore[misc]
    """`SegData` as a layer of pycaffe."""


# Under the names of the reference's layers, too: VOCSegDataLayer, ...
globals().update({source.name: SegDataLayer for source in published_sets.LAYERS.values()})


def parse_params(text: str) -> Dict[str, Any]:
    """Read a param_str; raises ValueError or TypeError where it is not the literal of a dict."""
    try:
        params = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"param_str: is no Python literal: {error}") from error
    if not isinstance(params, dict):
        raise TypeError("param_str: is not a dict such as {'voc_dir': 'VOC2011', 'split': 'val'}")
    return params


def find_set(params: Dict[str, Any]) -> Tuple[str, published_sets.DataLayer]:
    """The name and the layer of the data set whose folders are named; raises ValueError where none has these."""
    folders = {key for key in params if key not in _OPTIONS}
    for name, source in published_sets.LAYERS.items():
        if folders == set(source.folders):
            if not isinstance(params.get("split"), str):
                raise ValueError("param_str: needs a split")
            return name, source
    known = "; ".join(" and ".join(source.folders) for source in published_sets.LAYERS.values())
    raise ValueError(f"param_str: names the folders {sorted(map(str, folders))} (expected: {known})")
