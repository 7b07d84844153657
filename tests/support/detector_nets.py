"""Small detectors: an SSD on two maps, and a Faster R-CNN."""

from __future__ import annotations

from prototxts import input_layer, layer

_BOXES = 3  # at a place
_ORDER = "permute_param { order: 0 order: 2 order: 3 order: 1 }"


def _convolution(bottom: str, top: str, outputs: int, inside: str = "kernel_size: 1") -> str:
    return layer("Convolution", bottom, top, f"convolution_param {{ num_output: {outputs} {inside} }}", top)


def write_ssd() -> str:
    """Boxes and scores depend on the image; it takes images of any size."""
    text = input_layer("data", 1, 3, 24, 32) + layer("Power", "data", "small", "power_param { scale: 0.01 }")
    text += _convolution("small", "f1", 6, "kernel_size: 5 stride: 4")
    text += _convolution("f1", "f2", 6, "kernel_size: 3 stride: 2 pad: 1")
    ends: dict[str, list[str]] = {"loc": [], "conf": [], "prior": []}
    for index, size in ((1, 6), (2, 12)):
        for name, count in (("loc", 4), ("conf", 3)):
            blob = f"{name}{index}"
            text += _convolution(f"f{index}", blob, _BOXES * count)
            text += layer("Permute", blob, f"{blob}p", _ORDER, f"{blob}p")
            text += layer("Flatten", f"{blob}p", f"{blob}f", "flatten_param { axis: 1 }", f"{blob}f")
            ends[name].append(f"{blob}f")
        prior = f"prior_box_param {{ min_size: {size} aspect_ratio: 2 flip: true variance: 0.1 }}"
        text += layer("PriorBox", f"f{index} data", f"prior{index}", prior, f"prior{index}")
        ends["prior"].append(f"prior{index}")
    for name, blobs in ends.items():
        axis = 2 if name == "prior" else 1
        text += layer("Concat", " ".join(blobs), name, f"concat_param {{ axis: {axis} }}", name)
    text += layer("Reshape", "conf", "scores", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }", "scores")
    text += layer("Softmax", "scores", "shares", "softmax_param { axis: 2 }", "shares")
    text += layer("Flatten", "shares", "flat", "flatten_param { axis: 1 }", "flat")
    inside = "num_classes: 3 code_type: CENTER_SIZE keep_top_k: 20 confidence_threshold: 0.2"
    nms = "nms_param { nms_threshold: 0.45 top_k: 50 }"
    return text + layer("DetectionOutput", "loc flat prior", "found", f"detection_output_param {{ {inside} {nms} }}")


def write_two_stages() -> str:
    """Regions are proposed, pooled, and scored."""
    text = input_layer("data", 1, 3, 64, 80) + input_layer("im_info", 1, 3)
    text += layer("Power", "data", "small", "power_param { scale: 0.01 }")  # of pixels
    text += _convolution("small", "f", 8, "kernel_size: 8 stride: 8")
    text += _convolution("f", "s", 18) + layer("Sigmoid", "s", "s", "", "sig") + _convolution("f", "o", 36)
    settings = "feat_stride: 8 base_size: 8 min_size: 2 pre_nms_topn: 100 post_nms_topn: 30 nms_thresh: 0.6"
    scales = "scale: 1 scale: 2 scale: 4"
    text += layer("Proposal", "s o im_info", "rois", f"proposal_param {{ {settings} {scales} }}")
    pooling = "roi_pooling_param { pooled_h: 3 pooled_w: 3 spatial_scale: 0.125 }"
    text += layer("ROIPooling", "f rois", "pooled", pooling)
    return text + layer("InnerProduct", "pooled", "score", "inner_product_param { num_output: 5 }")
