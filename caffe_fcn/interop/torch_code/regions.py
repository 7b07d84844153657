"""Layers that pool regions of a feature map: ROIPooling, PSROIPooling, ROIAlign."""

from __future__ import annotations

from caffe_fcn.interop.torch_code.place import Place, Writer
from caffe_fcn.net.layer_types.anchors import refuse_other_forks


def write_roi_pooling(place: Place) -> list[str]:
    """The maximum of each bin."""
    p = place.param
    return [place.call("pool_regions", place.bottom, _read_regions(place), (p.pooled_h, p.pooled_w), _scale(place))]


def write_psroi_pooling(place: Place) -> list[str]:
    """The average of each bin over channels of its own."""
    p = place.param
    sizes = (f"outputs={p.output_dim}", f"group={p.group_size}")
    return [place.call("average_regions", place.bottom, _read_regions(place), *sizes, _scale(place))]


def write_roi_align(place: Place) -> list[str]:
    """The average of samples in each bin."""
    p, numbers = place.param, place.site.numbers("roi_align_param", "sampling_ratio", int)
    samples = f"samples={max(next(iter(numbers), 0), 0)}"
    size = (p.pooled_h, p.pooled_w)
    return [place.call("align_regions", place.bottom, _read_regions(place), size, _scale(place), samples)]


def _read_regions(place: Place) -> str:
    """The regions as rows of five numbers."""
    refuse_other_forks(place.site)
    return place.bottoms[1] if len(place.site.shapes[1]) == 2 else f"{place.bottoms[1]}.flatten(1)"


def _scale(place: Place) -> str:
    return f"scale={place.param.spatial_scale!r}"


WRITERS: dict[str, Writer] = {
    "PSROIPooling": write_psroi_pooling,
    "ROIAlign": write_roi_align,
    "ROIPooling": write_roi_pooling,
}
