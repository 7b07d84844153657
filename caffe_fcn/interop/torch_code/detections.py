"""Layers that make boxes and choose among them: PriorBox, DetectionOutput, Proposal, ...

Those that choose are modules, so that whoever compares nets can look at what they read.
"""

from __future__ import annotations

from caffe_fcn.interop.torch_code.names import write_number
from caffe_fcn.interop.torch_code.place import Place, Writer
from caffe_fcn.net.layer_types.anchors import (
    CENTER_SIZE,
    CORNER,
    CORNER_SIZE,
    find_prior_image,
    find_prior_steps,
    list_anchors,
    list_prior_sizes,
    list_prior_variances,
    list_yolo_anchors,
    refuse_other_forks,
    require_pairs,
)

_CODES = {CORNER: "CORNER", CENTER_SIZE: "CENTER_SIZE", CORNER_SIZE: "CORNER_SIZE"}


def write_prior_box(place: Place) -> list[str]:
    """Boxes at every place of the first bottom."""
    refuse_other_forks(place.site)
    sizes = [(float(width), float(height)) for width, height in list_prior_sizes(place.site)]
    variances = ", ".join(map(write_number, list_prior_variances(place.site)))
    settings = [
        f"sizes={sizes}",
        f"variances=[{variances}]",
        f"offset={write_number(place.param.offset)}",
        f"clip={place.param.clip}",
    ]
    for name, pair in (("side", find_prior_image(place.site)), ("step", find_prior_steps(place.site))):
        if pair:
            settings.append(f"{name}={tuple(map(float, pair))}")
    return [place.call("make_priors", *place.bottoms, *settings)]


def write_detection_output(place: Place) -> list[str]:
    """The best boxes of each class of each image."""
    refuse_other_forks(place.site)
    require_pairs(place.site, place.site.shapes[2])
    param, nms = place.param, place.param.nms_param
    settings = [str(param.num_classes), f'"{_CODES[param.code_type]}"', f"nms={write_number(nms.nms_threshold)}"]
    if nms.eta < 1:
        settings.append(f"eta={write_number(nms.eta)}")
    if nms.HasField("top_k") and nms.top_k > -1:
        settings.append(f"top_k={nms.top_k}")
    if param.keep_top_k > -1:
        settings.append(f"keep={param.keep_top_k}")
    if param.HasField("confidence_threshold"):
        settings.append(f"threshold={write_number(param.confidence_threshold)}")
    if param.background_label_id:
        settings.append(f"background={param.background_label_id}")
    if len(place.bottoms) > 3:
        settings.append(f"objectness={write_number(param.objectness_score)}")
    if not param.share_location:
        settings.append("share_location=False")
    if param.variance_encoded_in_target:
        settings.append("variance_in_target=True")
    return [f"{place.add_module(place.call('DetectionOutput', *settings))}({', '.join(place.bottoms)})"]


def write_yolo(place: Place) -> list[str]:
    """The likely boxes of all cells."""
    refuse_other_forks(place.site)
    param = place.param
    found = [list_yolo_anchors(place.site, index) for index in range(len(place.bottoms))]
    settings = [
        f"anchors={[anchors for anchors, _ in found]}",
        f"scales={[scale for _, scale in found]}",
        f"threshold={write_number(param.confidence_threshold)}",
        f"nms={write_number(param.nms_threshold)}",
        f"softmax={place.layer.type == 'YoloDetectionOutput'}",
    ]
    return [f"{place.add_module(place.call('YoloDetectionOutput', *settings))}({', '.join(place.bottoms)})"]


def write_proposal(place: Place) -> list[str]:
    """The best boxes around anchors; a second top has their scores."""
    param = place.param
    settings = [
        f"anchors={list_anchors(place.site)}",
        f"stride={param.feat_stride}",
        f"min_size={write_number(param.min_size)}",
        f"nms={write_number(param.nms_thresh)}",
        f"before={param.pre_nms_topn}",
        f"after={param.post_nms_topn}",
    ]
    called = f"{place.add_module(place.call('Proposal', *settings))}({', '.join(place.bottoms[:3])})"
    return [f"{called}[0]"] if len(place.tops) == 1 else place.take_parts(called)


WRITERS: dict[str, Writer] = {
    "DetectionOutput": write_detection_output,
    "PriorBox": write_prior_box,
    "PriorBoxClustered": write_prior_box,
    "Proposal": write_proposal,
    "YoloDetectionOutput": write_yolo,
    "Yolov3DetectionOutput": write_yolo,
}
