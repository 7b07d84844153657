"""Layers that pool regions of a feature map: ROIPooling, PSROIPooling, ROIAlign; see the torch engine's classes.

A region is a row of the number of its image and its corners x1, y1, x2, y2 in pixels of the net's input.
"""

from __future__ import annotations

from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.interop.onnx.values import Size, Value, constant, count_up, find_size, to_operand
from caffe_fcn.net.layer_types.anchors import refuse_other_forks


@converts("ROIPooling")
def convert_roi_pooling(place: Place) -> list[str]:
    """MaxRoiPool, which rounds as Caffe does: halves away from zero, the last place of a region counted as its own."""
    p = place.param
    sizes = {"pooled_shape": [p.pooled_h, p.pooled_w], "spatial_scale": p.spatial_scale}
    return [place.add("MaxRoiPool", place.bottom, _read_regions(place).name, **sizes)]


@converts("ROIAlign")
def convert_roi_align(place: Place) -> list[str]:
    """RoiAlign without its shift by half a pixel, which models before operator set 16 do not have."""
    p, regions = place.param, _read_regions(place)
    corners, images = regions.cut(1, 1, 5), regions.cut(1, 0, 1).reshape(-1).to_whole()
    ratio = next(iter(place.site.numbers("roi_align_param", "sampling_ratio", int)), 0)
    settings = {
        "output_height": p.pooled_h,
        "output_width": p.pooled_w,
        "spatial_scale": p.spatial_scale,
        "sampling_ratio": max(ratio, 0),
    }
    if place.graph.opset >= _NAMES_ITS_SHIFT:
        settings["coordinate_transformation_mode"] = "output_half_pixel"
    return [place.add("RoiAlign", place.bottom, corners.name, images.name, **settings)]


_NAMES_ITS_SHIFT = 16


@converts("PSROIPooling")
def convert_psroi_pooling(place: Place) -> list[str]:
    """Averages as products with matrices, whose rows are the bins of one axis.

    The first product is over the rows of all images; a region's matrix is zero in those of other images.
    """
    p, regions = place.param, _read_regions(place)
    group, outputs = p.group_size, p.output_dim
    height, width = (find_size(place, 0, axis) for axis in (2, 3))
    x1, y1, x2, y2 = (regions.cut(1, index, index + 1) for index in range(1, 5))
    left, top = (_round(each) * p.spatial_scale for each in (x1, y1))
    right, bottom = ((_round(each) + 1.0) * p.spatial_scale for each in (x2, y2))
    rows, columns = (
        _average(begin, (end - begin).apply("Max", _SMALLEST), group, extent)
        for begin, end, extent in ((top, bottom, height), (left, right, width))
    )
    own = regions.cut(1, 0, 1).apply("Equal", count_up(place, find_size(place, 0, 0))).to_float()
    of_all = (rows.unsqueeze(2) * own.unsqueeze(1, 3)).transpose(1, 0, 2, 3)  # bins x regions x images x rows
    parted = Value(place, place.bottom).reshape(-1, outputs, group, group, height, width)
    matrix = parted.transpose(2, 0, 4, 1, 3, 5).reshape(group, -1, width * (outputs * group))
    sums = of_all.reshape(0, 0, -1).apply("MatMul", matrix).reshape(group, -1, outputs, group, width)
    averages = (sums * columns.unsqueeze(1)).reduce("ReduceSum", 4)  # bins x regions x outputs x bins
    return [averages.transpose(1, 2, 0, 3).name]


_SMALLEST = 0.1  # side of a region


def _read_regions(place: Place) -> Value:
    """The regions as rows of five numbers."""
    refuse_other_forks(place.site)
    regions = Value(place, place.bottoms[1])
    return regions if len(place.site.shapes[1]) == 2 else regions.apply("Flatten", axis=1)


def _round(x: Value) -> Value:
    """The nearest whole number; of two the one farther from zero."""
    size = x.apply("Abs")
    whole = size.apply("Floor")
    return x.apply("Sign") * (whole + (size - whole >= 0.5).to_float())


def _average(starts: Value, sizes: Value, bins: int, extent: Size) -> Value:
    """Weights (regions x bins x extent) with which a product averages over bins; zeros for an empty one."""
    place = starts.place
    size = sizes / float(bins)
    first, last = (constant(place, [float(bin_ + more) for bin_ in range(bins)]) * size for more in (0, 1))
    limit = to_operand(extent)
    begins = (first + starts).apply("Floor").limit(0.0, limit).unsqueeze(2)
    ends = (last + starts).apply("Ceil").limit(0.0, limit).unsqueeze(2)
    places = count_up(place, extent)
    inside = (places >= begins).apply("And", places < ends).to_float()
    return inside / (ends - begins).apply("Max", 1.0)
