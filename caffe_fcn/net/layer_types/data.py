"""Layers without bottoms: where blobs come from."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from caffe_fcn.augmentation import is_augmentation
from caffe_fcn.net.geometry import POINTWISE, CoordMap
from caffe_fcn.net.layer_types.row import ANY, LayerType, Origin, ends, layer_type
from caffe_fcn.net.layer_types.site import TELL_SHAPES, Shape, Site

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


def origin_of(layer: LayerParameter) -> Origin | None:
    """Where the layer's blobs come from; None for a layer that reads blobs, or that is one (Parameter)."""
    return None if layer.bottom else layer_type(layer.type).origin


def lacks_shapes(layer: LayerParameter) -> bool:
    """Whether the blobs of a layer without bottoms have shapes that the net does not say."""
    origin = origin_of(layer)
    if origin is Origin.INPUT:
        return not layer.input_param.shape
    return origin is not None and origin.hides_shapes


def _input_tops(site: Site) -> list[Shape]:
    shapes = [tuple(shape.dim) for shape in site.param.shape]
    if not shapes:
        site.fail("has no shape", "set input_param, or give a `size` HxW")
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
    if param.dim:  # of the fork opencl, for data of any number of axes
        return [tuple(param.dim), (param.dim[0],)][: len(site.layer.top)]
    if len(site.layer.top) != 2:
        site.fail(f"has {len(site.layer.top)} tops", "it takes 2")
    return [(param.batch_size, param.channels, param.height, param.width), (param.batch_size,)]


def _data_tops(site: Site) -> list[Shape]:
    return _images(site, site.record_shapes()[0])


def _image_data_tops(site: Site) -> list[Shape]:
    """Images of new_height x new_width, or as large as the list's first."""
    param = site.param
    if param.new_height and param.new_width:
        return _images(site, (3 if param.is_color else 1, param.new_height, param.new_width))
    return _images(site, site.record_shapes()[0])


def _images(site: Site, record: Shape) -> list[Shape]:
    """Images, cropped where transform_param says so, and a label for each."""
    channels, height, width = record
    crop, batch = site.layer.transform_param.crop_size, site.param.batch_size
    return [(batch, channels, crop or height, crop or width), (batch,)][: len(site.layer.top)]


def _window_data_tops(site: Site) -> list[Shape]:
    """Windows of crop_size, and a label for each."""
    size = site.layer.transform_param.crop_size or site.param.crop_size
    if not size:
        site.fail("has no crop_size", "set transform_param.crop_size")
    return [(site.param.batch_size, 3, size, size), (site.param.batch_size,)][: len(site.layer.top)]


def _hdf5_tops(site: Site) -> list[Shape]:
    """The data sets that are named like the tops."""
    return [(site.param.batch_size, *shape) for shape in site.record_shapes()]


def _python_tops(site: Site) -> list[Shape]:
    """A Python layer's tops; one without bottoms makes images, whose size can be named."""
    if is_augmentation(site.layer):
        return _augmented_tops(site)
    if is_spatial_dropout(site.layer):
        return [site.shapes[0]]
    if not site.layer.top:
        return []
    mend = "take it out of the net, or " if site.layer.bottom else "give a `size` HxW, or "
    return site.fail("is a Python layer: its shapes are known only to its code", mend + TELL_SHAPES)


def is_spatial_dropout(layer: LayerParameter) -> bool:
    """Whether a Python layer is the one of ENet's scripts, which drops whole channels."""
    return (layer.python_param.module, layer.python_param.layer) == SPATIAL_DROPOUT


def read_spatial_dropout(site: Site) -> tuple[bool, float]:
    """Whether such a layer draws channels, and the share of channels that it drops, as its param_str says."""
    text = site.param.param_str
    try:
        settings = ast.literal_eval(text)
        draws, share = settings["phase"] == "TRAIN", float(settings["p"])
    except (SyntaxError, ValueError, TypeError, KeyError):
        site.fail(f"has param_str {text!r}", "write {'phase': 'TRAIN', 'p': '0.1'}")
    if not 0 < share < 1:
        site.fail(f"drops a share of {share}", "p lies between 0 and 1")
    return draws, share


SPATIAL_DROPOUT = ("spatial_dropout", "SpatialDropoutLayer")  # TimoSaemann/caffe-enet, python/spatial_dropout.py


def _python_coords(layer: LayerParameter) -> CoordMap | None:
    return POINTWISE if is_spatial_dropout(layer) else None


def _augmented_tops(site: Site) -> list[Shape]:
    """What an augmentation makes of its bottoms while it trains: images of their size, or of that of its crop."""
    from caffe_fcn.augmentation.joint_augmentation import Augmentation  # loads numpy

    if len(site.layer.top) != len(site.layer.bottom) or set(site.layer.top) & set(site.layer.bottom):
        site.fail("does not make one new blob of each bottom", "name as many tops, by other names")
    try:
        return Augmentation(site.param.param_str).infer_shapes(site.shapes)
    except ValueError as error:
        return site.fail(str(error), "correct param_str")


def _python_summary(layer: LayerParameter) -> str:
    return f"{layer.python_param.module}.{layer.python_param.layer}"


# Forks


def _image_pair_tops(site: Site) -> list[Shape]:
    """Images, label images, and the size of each image (DeepLab's image_seg_data_layer.cpp)."""
    param, rules = site.layer.image_data_param, site.layer.transform_param
    crop = (rules.crop_size,) * 2 if rules.crop_size else (rules.crop_height, rules.crop_width)
    size = _first_size(site, crop, (param.new_height, param.new_width))
    return _pairs(site, param.batch_size, 3 if param.is_color else 1, size)


def _dense_tops(site: Site) -> list[Shape]:
    """Images and label images (SegNet's dense_image_data_layer.cpp); ENet's labels may be smaller by a factor."""
    param = site.param
    crop = (param.crop_height, param.crop_width)
    size = _first_size(site, crop, (param.new_height, param.new_width))
    tops = _pairs(site, param.batch_size, 3 if param.is_color else 1, size)
    if param.label_divide_factor > 1 and not all(crop) and len(tops) > 1:
        tops[1] = (param.batch_size, 1, *(each // param.label_divide_factor for each in size))
    return tops


def _listed_pairs(param_name: str) -> Callable[[Site], list[Shape]]:
    def rule(site: Site) -> list[Shape]:
        batch = next(iter(site.numbers(param_name, "batch_size", int)), 1)
        crop = site.layer.transform_param.crop_size
        return _pairs(site, batch, 3, _first_size(site, (crop, crop)))

    return rule


def _annotated_tops(site: Site) -> list[Shape]:
    """Images, and the boxes in all of them, of which one is assumed (SSD's annotated_data_layer.cpp).

    A third top, of MobileNet-YOLO's fork, has label images.
    """
    rules = site.layer.transform_param
    resized = [(each.height, each.width) for each in rules.resize_param]
    crop = (rules.crop_size,) * 2 if rules.crop_size else (rules.crop_h, rules.crop_w)
    channels = 1 if rules.force_gray else 3
    images: Shape = (site.layer.data_param.batch_size, channels, *_first_size(site, crop, *resized[:1]))
    param = site.param
    fractions = images[2] // param.seg_scales, images[3] // param.seg_scales
    labels = (param.seg_resize_height or fractions[0], param.seg_resize_width or fractions[1])
    return [images, (1, 1, 1, 8), (images[0], 1, *labels)][: len(site.layer.top)]


def _first_size(site: Site, *sizes: tuple[int, int]) -> tuple[int, int]:
    """The size that the caller gives, or else the first that the layer does, or else that of the first image."""
    size = site.size or next((size for size in sizes if all(size)), None)
    if size is None and site.data_shapes is None:
        site.fail("has the size of the images in its files", "give a `size` HxW")
    if size is None:
        *_, height, width = site.record_shapes()[0]
        size = (height, width)
    return size


def _pairs(site: Site, batch: int, channels: int, size: tuple[int, int]) -> list[Shape]:
    tops: list[Shape] = [(batch, channels, *size), (batch, 1, *size), (batch, 1, 1, 2)]
    return tops[: len(site.layer.top)]


_data = partial(LayerType, bottoms=(0, 0), makes=(1, ANY), coords=ends, role="data")


_pair_data = partial(_data, makes=(1, 3), origin=Origin.IMAGE_PAIRS)


TYPES: dict[str, LayerType] = {
    "AnnotatedData": _data(_annotated_tops, "annotated_data_param", makes=(1, 3), origin=Origin.BOXES, fork="ssd"),
    "Data": _data(_data_tops, "data_param", makes=(1, 2), origin=Origin.DATABASE),
    "DenseImageData": _pair_data(_dense_tops, "dense_image_data_param", fork="segnet"),
    "DummyData": _data(_dummy_tops, "dummy_data_param", origin=Origin.FILLERS),
    "HDF5Data": _data(_hdf5_tops, "hdf5_data_param", origin=Origin.HDF5),
    "ImageData": _data(_image_data_tops, "image_data_param", makes=(2, 2), origin=Origin.IMAGE_LIST),
    "ImageLabelmapData": _pair_data(_listed_pairs("image_data_param"), "image_data_param", fork="hed"),
    "ImageSegData": _pair_data(_image_pair_tops, "image_data_param", fork="deeplab"),
    "Input": _data(_input_tops, "input_param", origin=Origin.INPUT),
    "MemoryData": _data(_memory_tops, "memory_data_param", makes=(1, 2), origin=Origin.MEMORY),
    "Parameter": _data(_parameter_shape, "parameter_param", makes=(1, 1), params=_parameter_shape, role="dense"),
    "Python": _data(
        _python_tops,
        "python_param",
        bottoms=(0, ANY),
        makes=(0, ANY),
        coords=_python_coords,
        origin=Origin.CODE,
        role="other",
        summary=_python_summary,
    ),
    "SegData": _pair_data(_listed_pairs("seg_data_param"), fork="caffe-fcn"),
    "WindowData": _data(_window_data_tops, "window_data_param", makes=(2, 2), origin=Origin.WINDOW_LIST),
}
