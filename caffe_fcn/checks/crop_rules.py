"""FCN101 to FCN105: whether what is cropped and what is joined lie on each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caffe_fcn.checks.example_nets import BILINEAR, SCORE, UPSCORE, conv, crop, image, upscore
from caffe_fcn.checks.forms import claim_failures, on_forms
from caffe_fcn.checks.net_file import Form
from caffe_fcn.checks.rule import HERE, Edit, Example, Level, Problem, Rule
from caffe_fcn.errors import NetError, OffsetError
from caffe_fcn.net.crops import is_crop
from caffe_fcn.net.geometry import IDENTITY, exact
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.net.walk import align

_IMAGE_AXIS = 2  # of N x C x H x W, the first axis of an image


def find_wrong_offsets(form: Form) -> Iterator[Problem]:
    """Crops that begin elsewhere than the net says."""
    for found in form.crops:
        if not found.ok:
            computed, declared = (_join(each) for each in (found.computed, found.declared))
            what = f"layer '{found.layer}' crops at offset {declared}, and the net puts it at {computed}"
            place = form.locate(found.layer, "crop_param.offset")
            axes = f"axis: {found.axis} " + " ".join(f"offset: {offset}" for offset in found.computed)
            yield Problem(place, what, f"set offset: {computed}", _write_param(form, found.layer, axes))


def find_wrong_axes(form: Form) -> Iterator[Problem]:
    """Crops that cut channels away, or that leave the height as it is."""
    if form.shapes is None:
        return
    for node in form.nodes:
        if not is_crop(node.layer) or len(node.bottoms) < 2:
            continue
        ours, others = (form.shapes.blobs.get(blob.name, ()) for blob in node.bottoms[:2])
        if len(ours) != 4 or len(others) != 4:
            continue
        axis = node.layer.crop_param.axis % 4
        what = ""
        if axis <= 1 and ours[1] != others[1]:
            what = f"crops axis {axis}, so that {ours[1]} channels become {others[1]}"
        elif axis == 3 and ours[2] != others[2]:
            what = f"crops axis 3 only, so that the height stays {ours[2]}, and that of '{node.bottoms[1].name}' is "
            what += str(others[2])
        if what:
            problem = form.report(node, what, "set axis: 2", "crop_param.axis")
            offsets = node.layer.crop_param.offset[-2:] or [0]
            edits = _write_param(form, node.name, "axis: 2 " + " ".join(f"offset: {each}" for each in offsets))
            yield Problem(problem.place, problem.what, problem.mend, edits)


def find_misaligned_crops(form: Form) -> Iterator[Problem]:
    """Crops whose two bottoms have different strides, or between which two paths disagree."""
    error = form.alignment_error
    if error and not _has_offset(form, error):
        yield _report_error(form, error)


def find_crops_without_offset(form: Form) -> Iterator[Problem]:
    """Crops that would have to begin between two pixels, or before the first one."""
    error = form.alignment_error
    if error and _has_offset(form, error):
        yield _report_error(form, error)


def find_crops_outside(form: Form) -> Iterator[Problem]:
    """Crops of more than there is."""
    return claim_failures(form, lambda failure: failure.node is not None and cuts_too_much(failure.node))


def cuts_too_much(node: Node) -> bool:
    """Whether a layer that does not fit is a Crop with both of its bottoms."""
    return is_crop(node.layer) and len(node.bottoms) == 2


def find_misaligned_joins(form: Form) -> Iterator[Problem]:
    """Sums and concatenations of blobs that lie apart."""
    graph = form.graph
    if graph is None:
        return
    for node in form.nodes:
        if layer_type(node.type).role != "joining" or len(node.bottoms) < 2 or is_crop(node.layer):
            continue
        first = node.bottoms[0]
        for other in node.bottoms[1:]:
            try:
                maps = align(graph, first, other).map.maps
            except NetError:  # no path joins them, or only through layers without coordinates
                continue
            if any(each.scale == 1 and each != IDENTITY for each in maps):
                shift = exact(abs(each.shift) for each in maps)
                what = f"joins '{first.name}' and '{other.name}', which lie {_join(shift)} pixels apart"
                yield form.report(node, what, "crop one of them, or change a padding", "bottom")


def _has_offset(form: Form, error: OffsetError) -> bool:
    """Whether the blobs of a Crop lie on one grid, or half a pixel apart, so that only its offset is in question."""
    node = _node_of(form, error)
    if node is None or form.graph is None:
        return False
    try:
        return all(each.scale == 1 for each in align(form.graph, node.bottoms[0], node.bottoms[1]).map.maps)
    except NetError:
        return False


def _report_error(form: Form, error: OffsetError) -> Problem:
    node = _node_of(form, error)
    if node is None:
        return Problem(form.file.locate("layer"), f"{error.where}: {error.what}", error.mend)
    return form.report(node, error.what, error.mend, "crop_param.offset")


def _node_of(form: Form, error: NetError) -> Node | None:
    return next((node for node in form.nodes if str(node) == error.where), None)


def _write_param(form: Form, layer: str, inside: str) -> tuple[Edit, ...]:
    """The edit that gives a Crop these settings."""
    field = form.field_of(layer)
    if field is None:
        return ()
    params = field.find("crop_param")
    text = f"crop_param {{ {inside} }}"
    if not params:
        return (form.file.make_edit(field.end - 1, field.end - 1, f"  {text}\n"),)
    return (form.file.make_edit(params[0].begin, params[0].end, _lay_out(form.file.text, params[0].begin, inside)),)


def _lay_out(text: str, begin: int, inside: str) -> str:
    """The settings one a line, where their message begins a line of its own."""
    indent = text[text.rfind("\n", 0, begin) + 1 : begin]
    if indent.strip():
        return f"crop_param {{ {inside} }}"
    fields = inside.replace("offset:", "\noffset:").split("\n")
    return "\n".join(["crop_param {", *(f"{indent}  {each.strip()}" for each in fields), f"{indent}}}"])


def _join(values: Sequence[object] | str) -> str:
    return values if isinstance(values, str) else ", ".join(map(str, dict.fromkeys(values)))


_UPSAMPLED = image() + SCORE + upscore(UPSCORE)

RULES = (
    Rule(
        "FCN101",
        "crop-offset",
        Level.ERROR,
        "a Crop's offset is not the one that follows from the net",
        "A Crop lays the scores on the image. Where it must begin follows from every kernel, stride and padding on "
        "the way from the image to the scores; the net runs with any other offset too, and learns or predicts "
        "everything some pixels away from where it is. After a change of a padding or a kernel, the old offset is "
        "wrong.",
        on_forms(find_wrong_offsets),
        Example({"net.prototxt": _UPSAMPLED + crop(f"axis: 2 {HERE}")}, "offset: 5", "offset: 6"),
    ),
    Rule(
        "FCN102",
        "crop-axis",
        Level.ERROR,
        "a Crop cuts channels, or only columns",
        "A Crop cuts its axis and all behind it. The scores of an FCN are cropped from axis 2 on: height and width. "
        "With axis 1 the channels are cut as well, so that 21 classes become as many as the image has colours; with "
        "axis 3 the height stays. Crop layers before April 2016 took no axis, and cut height and width.",
        on_forms(find_wrong_axes),
        Example(
            {"net.prototxt": _UPSAMPLED + crop(HERE)}, "axis: 1 offset: 0 offset: 6 offset: 6", "axis: 2 offset: 6"
        ),
    ),
    Rule(
        "FCN103",
        "misaligned-crop",
        Level.ERROR,
        "a Crop's two bottoms cannot lie on each other",
        "A Crop needs two blobs with one stride, and one distance between them. Where the strides on the way do not "
        "multiply to one, the cropped blob shows the image at another size; where two paths lead to the same blob by "
        "different distances, no offset serves both.",
        on_forms(find_misaligned_crops),
        Example(
            {
                "net.prototxt": image()
                + SCORE
                + upscore(f"num_output: 5 group: 5 {HERE} {BILINEAR}")
                + crop("offset: 6")
            },
            "kernel_size: 8 stride: 4",
            "kernel_size: 5 stride: 2",
        ),
    ),
    Rule(
        "FCN104",
        "crop-without-offset",
        Level.WARNING,
        "a Crop would have to begin between two pixels, or before the first",
        "The offset that follows from the net is a fraction, or negative, and Caffe's offsets are whole and not "
        "negative. Everything is off by part of a pixel, or the border of the image gets no scores. Another kernel or "
        "padding on the way gives a whole offset.",
        on_forms(find_crops_without_offset),
        Example(
            {
                "net.prototxt": image()
                + SCORE
                + upscore(f"num_output: 5 group: 5 {HERE} stride: 2 {BILINEAR}")
                + crop("offset: 6")
            },
            "kernel_size: 4",
            "kernel_size: 5",
        ),
    ),
    Rule(
        "FCN105",
        "misaligned-join",
        Level.WARNING,
        "a sum or a concatenation joins blobs that lie apart",
        "An Eltwise or a Concat takes values of the same place to belong together. Where one path pads or crops "
        "otherwise than the other, the same numbers of rows and columns show different places of the image. Skips of "
        "FCNs need a Crop with the offset that follows from the net.",
        on_forms(find_misaligned_joins),
        Example(
            {
                "net.prototxt": image()
                + conv("a", "data", "num_output: 4 kernel_size: 3")
                + conv("b", "data", f"num_output: 4 {HERE}")
                + 'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }\n'
            },
            "kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 2 stride: 1",
            "kernel_size: 3",
        ),
    ),
    Rule(
        "FCN106",
        "crop-outside",
        Level.ERROR,
        "a Crop cuts more than there is",
        "What is cropped must be as large as what it is cropped to, and its offset. Caffe stops where it is smaller: "
        "the net needs more padding. The reference pads its first layer by 100; `caffe-fcn offsets` can find the "
        "least.",
        on_forms(find_crops_outside),
        Example(
            {
                "net.prototxt": image()
                + conv("score", "data", f"num_output: 5 kernel_size: 3 stride: 2 {HERE}")
                + upscore(UPSCORE)
                + crop("axis: 2 offset: 6")
            },
            "pad: 2",
            "pad: 5",
        ),
    ),
)
