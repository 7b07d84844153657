"""FCN151 to FCN153: sizes of images, and what a training takes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from caffe_fcn.checks.example_nets import conv, image, loss
from caffe_fcn.checks.memory import estimate_training_bytes
from caffe_fcn.checks.net_file import unread_sources
from caffe_fcn.checks.rule import HERE, Example, Level, Place, Problem, Rule
from caffe_fcn.checks.scored_classes import scored_classes
from caffe_fcn.checks.subject import Subject
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.receptive_fields import receptive_fields

_SMALL_SHARE = 4  # below a quarter of the image a receptive field sees parts of most objects


def find_images_that_do_not_fit(subject: Subject) -> Iterator[Problem]:
    """Sizes of the data set's images at which a net has no shapes."""
    for form in subject.forms:
        if form.shapes is None:
            continue
        for size in sorted(subject.sizes):
            failures = form.fail_at(size)
            error, node = failures[0] if failures else (None, None)
            if error is not None and node is not None:
                what = f"{error.what}, where the image is {dims(size)}"
                yield form.report(node, what, error.mend or "pad the first layer more")
                break


def find_small_fields(subject: Subject) -> Iterator[Problem]:
    """Scores that see less than most classes extend over, or a small part of the images where nobody knows."""
    for form in subject.forms:
        if not subject.sizes or form.graph is None or form.shapes is None or not any(unread_sources(form)):
            continue
        fields = receptive_fields(form.shapes.graph)
        for node, _ in scored_classes(form):
            seen = fields.get(node.bottoms[0].name)
            missed = _find_larger(subject, max(axis.size for axis in seen)) if seen else ""
            if seen and missed:
                what = f"compares scores that see {dims([axis.size for axis in seen])} pixels{missed}"
                yield form.report(node, what, "use a deeper net, or smaller images", "bottom")


def _find_larger(subject: Subject, side: int) -> str:
    """What is larger than a receptive field of a side: most classes, or the images by far; "" where nothing is."""
    extents = sorted(subject.extents)
    if extents:
        median = extents[len(extents) // 2]
        return f", and the classes extend over {median:.0f} (median over the classes)" if median > side else ""
    height, width = subject.sizes[0]
    return f" of {dims((height, width))}" if side * _SMALL_SHARE < min(height, width) else ""


def find_too_little_memory(subject: Subject) -> Iterator[Problem]:
    """Trainings that take more memory than there is."""
    have = subject.gpu_memory or _read_machine_memory()
    for form in subject.forms:
        if not form.trains or not form.has_loss or form.shapes is None or not have:
            continue
        need = estimate_training_bytes(form.shapes, subject.solver.solver if subject.solver else None)
        if need > have:
            where = "the GPU" if subject.gpu_memory else "this machine"
            what = f"training takes about {need / 1e9:.1f} GB, and {where} has {have / 1e9:.1f} GB"
            yield Problem(Place(form.file.path), what, "use smaller images or batches")


def _read_machine_memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError):  # a system that does not say
        return 0.0


_DATA = 'layer { name: "data" type: "Data" top: "data" data_param { batch_size: 1 } }\n'
_LABELS = 'layer { name: "label" type: "Data" top: "label" data_param { batch_size: 1 } }\n'

RULES = (
    Rule(
        "FCN151",
        "images-that-do-not-fit",
        Level.ERROR,
        "the net does not take some images of the data set",
        "Images of a data set differ in size. At some sizes, often the smallest, a Crop cuts more than there is or a "
        "kernel is larger than what it reads: the training stops at the first such image, which may come after hours.",
        find_images_that_do_not_fit,
        Example(
            {
                "train.prototxt": _DATA + conv("features", "data", f"num_output: 3 kernel_size: 20 pad: {HERE}"),
                "data": "classes a b c\ntrain 0,1,2 side=16\ntrain 0,1,2 side=8\n",
            },
            "5",
            "10",
        ),
    ),
    Rule(
        "FCN152",
        "small-receptive-field",
        Level.HINT,
        "the scores see less than the objects",
        "A score depends on the pixels of its receptive field. Where that is smaller than the objects, the net tells "
        "them apart by their texture alone. An object is taken to be as large as the box around all pixels of its "
        "class in a label (its longer side, the mean over the labels that have it, in the statistics of dataset.json), "
        "and the field is compared with the median over the classes. For data sets without these figures it is "
        "compared with a quarter of the image.",
        find_small_fields,
        Example(
            {
                "train.prototxt": _DATA + _LABELS + conv("score", "data", f"num_output: 3 {HERE}") + loss("score"),
                "data": "classes a b c\ntrain 0,1,2\n",
            },
            "kernel_size: 1",
            "kernel_size: 9 pad: 4",
        ),
    ),
    Rule(
        "FCN153",
        "too-little-memory",
        Level.WARNING,
        "a training takes more memory than there is",
        "The estimate counts blobs and their gradients, parameters and their gradients, the solver's state and "
        "Caffe's buffer for convolutions. Caffe stops, or the machine swaps, at the first iteration with an image "
        "that large.",
        find_too_little_memory,
        Example(
            {
                "train.prototxt": image(f"1 3 {HERE} 64")
                + conv("score", "data", "num_output: 5 kernel_size: 1")
                + 'layer { name: "loss" type: "EuclideanLoss" bottom: "score" bottom: "score" top: "loss" }\n'
            },
            "999999",
            "64",
            {"gpu_memory": 1e9},
        ),
    ),
)
