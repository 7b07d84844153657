"""Layers without bottoms: where blobs come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from caffe_fcn.datasets import source_shapes as sources
from caffe_fcn.net.layer_types.site import ANY, LayerType, Rule, Shape, Site, ends
from caffe_fcn.proto import LayerParameter


def _input_tops(site: Site) -> list[Shape]:
    shapes = [tuple(shape.dim) for shape in site.param.shape]
    if not shapes:
        site.fail("has no shape", "set input_param, or name a size (--size HxW)")
    if len(shapes) not in (1, len(site.layer.top)):
        site.fail(f"has {len(shapes)} shapes for {len(site.layer.top)} tops", "give one, or one each")
    return shapes * len(site.layer.top) if len(shapes) == 1 else shapes


def _dummy_tops(site: Site) -> list[Shape]:
    param, count = site.param, len(site.layer.top)
    shapes = [tuple(shape.dim) for shape in param.shape]
    if not shapes:
        columns = [list(column) for column in (param.num, param.channels, param.height, param.width)]
        if not all(columns):
            site.fail("has no shape", "set dummy_data_param.shape")
        wide = [column * count if len(column) == 1 else column for column in columns]
        shapes = list(zip(*wide, strict=False))
    if len(shapes) not in (1, count):
        site.fail(f"has {len(shapes)} shapes for {count} tops", "give one, or one each")
    return shapes * count if len(shapes) == 1 else shapes


def _parameter_shape(site: Site) -> list[Shape]:
    return [tuple(site.param.shape.dim)]


def _memory_tops(site: Site) -> list[Shape]:
    param = site.param
    return [(param.batch_size, param.channels, param.height, param.width), (param.batch_size,)]


def _from_files(read: Callable[[LayerParameter], list[Shape]]) -> Rule:
    def rule(site: Site) -> list[Shape]:
        return read(site.layer)[: len(site.layer.top)]

    return rule


def _unknowable(site: Site) -> list[Shape]:
    """A Python layer's tops; one without bottoms makes images, whose size can be named."""
    if not site.layer.top:
        return []
    mend = "take it out of the net" if site.layer.bottom else "name a size (--size HxW)"
    return site.fail("is a Python layer: its shapes are known only to its code", mend)


_data = partial(LayerType, bottoms=(0, 0), makes=(1, ANY), coords=ends)


TYPES: dict[str, LayerType] = {
    "Data": _data(_from_files(sources.data), param_name="data_param", makes=(1, 2)),
    "DummyData": _data(_dummy_tops, param_name="dummy_data_param"),
    "HDF5Data": _data(_from_files(sources.hdf5_data), param_name="hdf5_data_param", makes=(1, ANY)),
    "ImageData": _data(_from_files(sources.image_data), param_name="image_data_param", makes=(2, 2)),
    "Input": _data(_input_tops, param_name="input_param"),
    "MemoryData": _data(_memory_tops, param_name="memory_data_param", makes=(2, 2)),
    "Parameter": _data(_parameter_shape, param_name="parameter_param", makes=(1, 1), params=_parameter_shape),
    "Python": _data(_unknowable, param_name="python_param", bottoms=(0, ANY), makes=(0, ANY)),
    "WindowData": _data(_from_files(sources.window_data), param_name="window_data_param", makes=(2, 2)),
}
