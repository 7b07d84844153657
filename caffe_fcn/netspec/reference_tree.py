"""The published sets as they were unpacked, which the reference's Python layers read: where they lie below a folder.

find_folders(find_design("voc-fcn8s"), Path("data"))
# {"sbdd_dir": Path("data/sbdd/dataset"), "voc_dir": Path("data/pascal/VOC2011")}
"""

from __future__ import annotations

import os
from pathlib import Path

from caffe_fcn.netspec.design import NetDesign


def find_folders(net: NetDesign, root: Path) -> dict[str, Path]:
    """The folders that the net's Python layers read below ``root``, by the parameters that name them."""
    return {key: root / each for layer, _ in net.dataset.readers for key, each in layer.folders.items()}


def find_root(net: NetDesign, source: Path) -> Path | None:
    """The folder of data that ``source`` is, or that it lies in as one of the sets or as a part of its path.

    None where none of the net's sets is there: data, data/sbdd and data/sbdd/dataset all have the root data.
    """
    place = source.resolve()
    for layer, _ in net.dataset.readers:
        for folder in layer.folders.values():
            parts = Path(folder).parts
            for count in range(len(parts) + 1):
                inside, rest = parts[:count], parts[count:]
                if place.parts[len(place.parts) - count :] == inside and place.joinpath(*rest).is_dir():
                    root = place.parents[count - 1] if count else place
                    return root if source.is_absolute() else Path(os.path.relpath(root))
    return None
