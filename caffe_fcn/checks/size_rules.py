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

_SMALL_SHARE = 4  # a receptive field below a quarter of the image sees parts of most objects


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
    """Scores that see a small part of the images of the data set."""
    for form in subject.forms:
        if not subject.sizes or form.graph is None or form.shapes is None or not any(unread_sources(form)):
            continue
        fields = receptive_fields(form.shapes.graph)
        height, width = subject.sizes[0]
        for node, _ in scored_classes(form):
            seen = fields.get(node.bottoms[0].name)
            if seen and max(axis.size for axis in seen) * _SMALL_SHARE < min(height, width):
                what = (
                    f"compares scores that see {dims([axis.size for axis in seen])} pixels of {dims((height, width))}"
                )
                yield form.report(node, what, "use a deeper net, or smaller images", "bottom")


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
        "the scores see a small part of an image",
        "A score depends on the pixels of its receptive field. Where that is less than a quarter of the image, most "
        "objects are larger, and the net tells them apart by their texture alone.",
        find_small_fields,
        Example(
            {
                "train.prototxt": _DATA + _LABELS + conv("score", "data", f"num_output: 3 {HERE}") + loss("score"),
                "data": "classes a b c\ntrain 0,1,2\n",
            },
            "kernel_size: 1",
            "kernel_size: 5 pad: 2",
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
