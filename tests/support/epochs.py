"""Records as real Caffe reads them: the blobs that its data layers make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

_LAYER = (
    'layer {{ name: "{top}" type: "Data" top: "{top}" {more} '
    'data_param {{ source: "{source}" batch_size: 1 backend: LMDB }} }}\n'
)
FORWARD = """
net = caffe.Net(str(inputs['net']), caffe.TRAIN)
for i in range(int(inputs['count'])):
    net.forward()
    for top, blob in net.blobs.items():
        outputs['%s%d' % (top, i)] = blob.data[0].copy()
"""


def by_caffe(
    pycaffe: Callable[..., dict[str, np.ndarray]],
    scratch: Path,
    count: int,
    transform: str = "",
    **databases: Path,
) -> dict[str, list[np.ndarray]]:
    """The first ``count`` records (C x H x W) of a Data layer on each of the databases, by top."""
    net = scratch / "epoch.prototxt"
    net.write_text("".join(_LAYER.format(top=top, source=path, more=transform) for top, path in databases.items()))
    blobs = pycaffe(FORWARD, net=net, count=count)
    return {top: [blobs[f"{top}{i}"] for i in range(count)] for top in databases}


def files_by_caffe(
    pycaffe: Callable[..., dict[str, np.ndarray]], scratch: Path, images: list[Path]
) -> list[np.ndarray]:
    """The C x H x W that Caffe's ImageData layer gives for image files: Caffe's own decoding."""
    listed, net = scratch / "images.txt", scratch / "files.prototxt"
    listed.write_text("".join(f"{path} 0\n" for path in images))
    net.write_text(
        'layer { name: "data" type: "ImageData" top: "data" top: "label" '
        f'image_data_param {{ source: "{listed}" batch_size: 1 }} }}\n'
    )
    blobs = pycaffe(FORWARD, net=net, count=len(images))
    return [blobs[f"data{i}"] for i in range(len(images))]
