"""The paths in a net: which fields of its layers name files and folders."""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn.proto import LayerParameter, NetParameter

Field = tuple[str, str]
"""A field of a layer: the message that it is in, and its name there."""

MEAN_FIELD: Field = ("transform_param", "mean_file")
FIELDS: tuple[Field, ...] = (
    MEAN_FIELD,
    ("data_param", "source"),
    ("image_data_param", "source"),
    ("image_data_param", "root_folder"),
    ("dense_image_data_param", "source"),
    ("dense_image_data_param", "root_folder"),
    ("window_data_param", "source"),
    ("window_data_param", "root_folder"),
    ("hdf5_data_param", "source"),
    ("infogain_loss_param", "source"),
)


def find_paths(net: NetParameter) -> Iterator[tuple[LayerParameter, Field, str]]:
    """Yield each path of a net: its layer, the field that has it, and the path."""
    for layer in net.layer:
        for message, name in FIELDS:
            path = str(getattr(getattr(layer, message), name))
            if path:
                yield layer, (message, name), path
