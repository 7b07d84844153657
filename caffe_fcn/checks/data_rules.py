"""FCN401 to FCN421: data sets. Descriptions tell most; a few records are decoded, or all in a thorough check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from caffe_fcn.checks.example_nets import conv, image, label, loss
from caffe_fcn.checks.net_file import is_label
from caffe_fcn.checks.rule import HERE, Example, Level, Place, Problem, Rule
from caffe_fcn.checks.subject import Subject
from caffe_fcn.datasets.records.database import Database
from caffe_fcn.datasets.records.faults import CHECKS
from caffe_fcn.datasets.reference_layers.published_sets import IMAGENET_MEAN
from caffe_fcn.description import dataset_json
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.net.layer_types import origin_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_OF_ALL = 0.99  # of the labelled pixels
_FAR = 25.0  # of 255, between a mean and that of the data
_NEAR = 3.0  # of 255, between two figures for one mean
_RAMP = 0.25  # of the pixels at borders, whose value is between those beside them
_APART = 4  # classes, so that no thin object has the class between by chance
_FEWEST = 20  # borders
_MANY_VALUES = 8


def on_faults(check: str) -> Callable[[Subject], Iterator[Problem]]:
    """The rule that reports what one check of data sets finds: its first fault in each split, and how many."""

    def report(subject: Subject) -> Iterator[Problem]:
        for split, findings in subject.faults.items():
            first = next((fault for fault in findings.faults if fault.check == check), None)
            if first is not None:
                count = findings.counts[check]
                more = f", and {count - 1} more of {split}" if count > 1 else ""
                yield Problem(Place(first.where), f"{first.what}{more}", _drop_options(first.mend))

    return report


def _drop_options(mend: str) -> str:
    """How to mend a fault where nothing can be allowed."""
    return "" if mend.startswith("`allow`") else mend


def find_labels_outside(subject: Subject) -> Iterator[Problem]:
    """Labels that are neither classes nor ignored, by the statistics or else by the records."""
    if subject.dataset is None or subject.label_rules is None:
        return
    rules = subject.label_rules
    for name, split in subject.dataset.splits.items():
        pixels = (split.statistics or {}).get("pixels")
        if pixels is None or rules.classes is None:
            continue
        values = sorted(int(value) for value, count in pixels.items() if count)
        outside = [value for value in values if value >= rules.classes and value != rules.ignore]
        if outside:
            shown = ", ".join(map(str, outside[:5])) + (", ..." if len(outside) > 5 else "")
            what = f"the labels of {name} have {shown}, and there are {rules.classes} classes, from 0 on"
            mend = "set ignore_label, or num_output"
            if len(outside) > _MANY_VALUES:
                mend = "so many values come of resizing by interpolation, of JPEG or of colours: make the labels again"
            yield Problem(_place(subject), what, mend)
            return
    yield from on_faults("outside")(subject)


def find_empty_splits(subject: Subject) -> Iterator[Problem]:
    """Splits without records."""
    for name, split in subject.dataset.splits.items() if subject.dataset else ():
        if not len(split.pairs):
            yield Problem(Place(str(split.pairs.images.path)), f"{name} has no records", "build it again")


def find_other_orders(subject: Subject) -> Iterator[Problem]:
    """Means that are red first, where Caffe's images are blue first."""
    known = _mean_of_data(subject)
    for place, mean in _means(subject):
        for whose, right in (("of the data", known), ("of ImageNet", IMAGENET_MEAN)):
            if right and len(mean) == len(right) == 3 and _is_reversed(mean, right) and mean != known:
                what = f"the mean {_show(mean)} looks RGB-ordered: that {whose} is {_show(right)} (B, G, R)"
                yield Problem(place, what, f"write it as {_show(mean[::-1])}")
                break


def _is_reversed(mean: Sequence[float], right: Sequence[float]) -> bool:
    """Whether a mean agrees with ``right`` when it is read from its other end, and not as it is."""
    return _is_near(mean[::-1], right, _NEAR) and not _is_near(mean, right, 2 * _NEAR)


def _show(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def find_other_means(subject: Subject) -> Iterator[Problem]:
    """Means that are far from those of the data."""
    known = _mean_of_data(subject)
    for place, mean in _means(subject):
        if known and len(known) == len(mean) and not _is_near(mean, known) and not _is_near(mean[::-1], known):
            what = f"the mean is {_show(mean)}, and that of the data {_show(known)}"
            yield Problem(place, what, "right for weights of other data")


def _is_near(one: Sequence[float], other: Sequence[float], distance: float = _FAR) -> bool:
    return all(abs(a - b) <= distance for a, b in zip(one, other, strict=True))


def _mean_of_data(subject: Subject) -> list[float] | None:
    """The mean of the first split, B, G, R, by its statistics."""
    first = next(iter(subject.dataset.splits.values()), None) if subject.dataset else None
    return (first.statistics or {}).get("mean") if first else None


def _means(subject: Subject) -> Iterator[tuple[Place, list[float]]]:
    """The means of nets, blue first, of three channels or of one."""
    for net in subject.nets:
        for given in net.model.inputs if net.model else ():
            if given.mean and len(given.mean) == given.channels and given.order in ("BGR", "RGB", "grey"):
                yield Place(net.model_path), given.mean[::-1] if given.order == "RGB" else given.mean
    for form in subject.forms:
        for node in form.nodes:
            values = list(node.layer.transform_param.mean_value)
            if values and origin_of(node.layer) and not any(is_label(form, top.name) for top in node.tops[:1]):
                yield form.locate(node.name, "transform_param.mean_value"), values
    about = subject.dataset.about if subject.dataset else None
    if about is not None and about.mean:
        yield _place(subject), about.mean


def find_dominant_classes(subject: Subject) -> Iterator[Problem]:
    """Splits in which nearly all pixels are of one class."""
    for name, frequencies in _frequencies(subject):
        if max(frequencies, default=0.0) > _MOST_OF_ALL:
            which = frequencies.index(max(frequencies))
            what = f"{max(frequencies):.2%} of the pixels of {name} are of class {_name(subject, which)}"
            yield Problem(_place(subject), what, "weigh the classes (InfogainLoss), or crop the images")


def find_absent_classes(subject: Subject) -> Iterator[Problem]:
    """Classes that the first split does not show."""
    for name, frequencies in list(_frequencies(subject))[:1]:
        absent = [_name(subject, number) for number, share in enumerate(frequencies) if not share]
        if absent and len(absent) < len(frequencies):
            shown = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
            yield Problem(
                _place(subject), f"no pixel of {name} is of class {shown}", "leave the class out, or add images"
            )


def _frequencies(subject: Subject) -> Iterator[tuple[str, list[float]]]:
    for name, split in subject.dataset.splits.items() if subject.dataset else ():
        if frequencies := (split.statistics or {}).get("frequencies"):
            yield name, list(frequencies)


def _name(subject: Subject, number: int) -> str:
    classes = subject.dataset.about.classes if subject.dataset and subject.dataset.about else None
    return f"{number} ({classes[number]})" if classes and number < len(classes) else str(number)


def find_shared_images(subject: Subject) -> Iterator[Problem]:
    """Images that are both trained on and tested with."""
    if not subject.thorough or subject.dataset is None:
        return
    (first, *others) = subject.dataset.splits.items()
    known = set(_digests(first[1].pairs.images))
    for name, split in others:
        shared = sum(digest in known for digest in _digests(split.pairs.images))
        if shared:
            what = f"{shared} of the {len(split.pairs)} images of {name} are also in {first[0]}"
            yield Problem(Place(str(split.pairs.images.path)), what, "take them out of one of the two")


def _digests(images: Database) -> Iterator[bytes]:
    import hashlib  # a thorough check alone needs it

    return (hashlib.sha256(images[index]).digest() for index in range(len(images)))


def find_interpolated_labels(subject: Subject) -> Iterator[Problem]:
    """Labels whose values run through all between two classes at a border."""
    rules = subject.label_rules
    for place, values in subject.sample_labels() if rules else ():
        ramps, borders = _count_ramps(values, rules.ignore if rules else None)
        if borders >= _FEWEST and ramps > _RAMP * borders:
            what = f"at {ramps} of {borders} borders, a value lies between those beside it: the label was interpolated"
            yield Problem(place, what, "resize labels by the nearest pixel")
            return


def _count_ramps(values: NDArray[Any], ignore: int | None) -> tuple[int, int]:
    """How often a pixel's value is strictly between those to its left and right, and how often these lie far apart."""
    import numpy as np

    row = values.astype(np.int16)
    left, here, right = row[:, :-2], row[:, 1:-1], row[:, 2:]
    counted = np.abs(left - right) >= _APART
    if ignore is not None:
        counted &= (left != ignore) & (here != ignore) & (right != ignore)
    between = (here > np.minimum(left, right)) & (here < np.maximum(left, right))
    return int((between & counted).sum()), int(counted.sum())


def find_other_names(subject: Subject) -> Iterator[Problem]:
    """Nets whose classes have other names than those of the data set."""
    about = subject.dataset.about if subject.dataset else None
    for net in subject.nets:
        output = net.model.outputs[0] if net.model else None
        if about and about.classes and output and output.classes and len(about.classes) == len(output.classes):
            pairs = list(zip(output.classes, about.classes, strict=True))
            number = next((number for number, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
            if number is not None:
                what = f"class {number} is '{pairs[number][0]}', and in the data set '{pairs[number][1]}'"
                yield Problem(Place(net.model_path), what, "name the classes alike, in one order")


def find_other_channels(subject: Subject) -> Iterator[Problem]:
    """Nets for images of another number of channels than the data set has."""
    about = subject.dataset.about if subject.dataset else None
    for net in subject.nets:
        given = net.model.inputs if net.model else []
        if about and len(given) == 1 and given[0].channels != about.channels:
            what = f"the net takes {given[0].channels} channels, and the images of the data set have {about.channels}"
            yield Problem(Place(net.model_path), what, "build one of the two again")


def _place(subject: Subject) -> Place:
    return Place(str(subject.data / dataset_json.FILE if subject.data else ""))


_DATA = "classes a b c\ntrain 0,1,2\ntrain 0,1,2\n"
_MANY = "".join(f"class{number} " for number in range(20))


def _records(record: str, wrong: str, right: str, **given: Any) -> Example:
    return Example({"data": f"{_DATA}{record}\n"}, wrong, right, given)


RULES = (
    Rule(
        "FCN401",
        "broken-record",
        Level.ERROR,
        CHECKS["broken"],
        "Caffe stops in the middle of a training when it comes to such a record.",
        on_faults("broken"),
        _records(f"train 0,1,2 {HERE}", "broken", ""),
    ),
    Rule(
        "FCN402",
        "image-channels",
        Level.ERROR,
        CHECKS["channels"],
        "A net takes images of one number of channels, and Caffe stops at the first with another.",
        on_faults("channels"),
        _records(f"train 0,1,2 channels={HERE}", "1", "3"),
    ),
    Rule(
        "FCN403",
        "alpha-channel",
        Level.WARNING,
        CHECKS["alpha"],
        "A fourth channel needs a net whose first layer reads four.",
        on_faults("alpha"),
        _records(f"train 0,1,2 channels={HERE}", "4", "3"),
    ),
    Rule(
        "FCN404",
        "label-of-another-size",
        Level.ERROR,
        CHECKS["size"],
        "Caffe stops at the first pair whose label is not as large as the scores, which are as large as the image.",
        on_faults("size"),
        _records(f"train 0,1,2 {HERE}", "label-side=6", ""),
    ),
    Rule(
        "FCN405",
        "lossy-label",
        Level.ERROR,
        CHECKS["lossy"],
        "JPEG changes pixels. In a photo nobody sees it; in a label each changed pixel is of another class.",
        on_faults("lossy"),
        _records(f"train 0,1,2 {HERE}", "jpeg", "png"),
    ),
    Rule(
        "FCN406",
        "coloured-label",
        Level.ERROR,
        "a label is in colours",
        "A label has one channel, in which each pixel is the number of its class. Palette images that Caffe decodes, "
        "and labels as RGB, have three, and the loss stops at them or takes colours for classes.",
        on_faults("encoding"),
        _records(f"train 0,1,2 {HERE}", "rgb", ""),
    ),
    Rule(
        "FCN407",
        "label-outside",
        Level.ERROR,
        "a label is neither a class of the net nor ignored",
        "Labels go from 0 to num_output - 1; the one of the loss's ignore_label is left out. Caffe does "
        "not look whether a label is one of them, and reads and writes beyond the scores: a label that is a little too "
        "large trains on whatever lies there, without a word; a larger one, such as 255, ends in a segmentation fault "
        "or a bus error on a processor, and in nonsense or CUBLAS_STATUS_MAPPING_ERROR on a GPU. Often an "
        "ignore_label: 255 is missing, or labels count from 1.",
        find_labels_outside,
        Example(
            {
                "train.prototxt": image()
                + label()
                + conv("score", "data", "num_output: 3 kernel_size: 1")
                + loss("score", HERE),
                "data": "classes a b c\nignore 255\ntrain 0,1,255\n",
            },
            "",
            "loss_param { ignore_label: 255 }",
        ),
    ),
    Rule(
        "FCN408",
        "out-of-step",
        Level.ERROR,
        CHECKS["step"],
        "Images and labels come from two databases, record by record. Where one has a record more, or another order, "
        "each image gets the label of another, and nothing is learned.",
        on_faults("step"),
        _records(f"train 0,1,2 {HERE}", "unlabelled", ""),
    ),
    Rule(
        "FCN409",
        "ignored-label",
        Level.WARNING,
        CHECKS["unlabelled"],
        "The image teaches nothing, and a loss that is normalized by the number of labelled pixels is 0.",
        on_faults("unlabelled"),
        Example({"data": f"{_DATA}ignore 255\ntrain {HERE}\n"}, "255", "0,1"),
    ),
    Rule(
        "FCN411",
        "label-of-one-class",
        Level.HINT,
        CHECKS["one-class"],
        "Some images are like that. Where many are, the labels may have lost their classes when they were converted.",
        on_faults("one-class"),
        _records(f"train {HERE}", "1", "0,1"),
    ),
    Rule(
        "FCN412",
        "order-of-the-mean",
        Level.ERROR,
        "a mean is red first, and the images are blue first",
        "Caffe decodes images as B, G, R. A mean of 123.7, 116.8, 103.9 is that of ImageNet in the order of other "
        "frameworks; subtracted from B, G, R it tints every image.",
        find_other_orders,
        Example(
            {
                DEPLOY_FILE: image(),
                "model.json": '{"inputs": [{"blob": "data", "channels": 3, "order": "BGR",\n'
                + f' "mean": [{HERE}]}}], "outputs": [{{"blob": "data", "kind": "grey"}}]}}\n',
            },
            "123.68, 116.779, 103.939",
            "103.939, 116.779, 123.68",
        ),
    ),
    Rule(
        "FCN413",
        "other-mean",
        Level.HINT,
        "the mean is far from that of the data",
        "Weights that were trained with a mean want the same mean again, on any data. A net that is trained from its "
        "fillers wants that of its own data.",
        find_other_means,
        Example({"data": f"{_DATA}mean {HERE}\n"}, "10 20 30", "127 127 127"),
    ),
    Rule(
        "FCN414",
        "dominant-class",
        Level.WARNING,
        "nearly all pixels are of one class",
        "A net that answers with this class everywhere is right in more than 99 of 100 pixels, and many trainings end "
        "there. The loss looks good, and the mean IU tells.",
        find_dominant_classes,
        Example(
            {"data": f"classes a b c\ntrain {HERE}\ntrain 1,2 side=2\ntrain 0 side=64\n"}, "0 side=64", "0,1 side=64"
        ),
    ),
    Rule(
        "FCN415",
        "absent-class",
        Level.WARNING,
        "a class never occurs",
        "It is never learned, and counts as 0 in a mean over classes of the validation set, if that has it.",
        find_absent_classes,
        Example({"data": f"classes a b c\ntrain {HERE}\n"}, "0,1", "0,1,2"),
    ),
    Rule(
        "FCN416",
        "shared-images",
        Level.WARNING,
        "an image is in more than one split",
        "A net knows the images that it was trained with by heart, so a validation with them shows too good a score. "
        "Images are compared by their content, in a thorough check.",
        find_shared_images,
        _records(f"val 0,1,2 photo={HERE}", "0", "7", thorough=True),
        cheap=False,
    ),
    Rule(
        "FCN417",
        "empty-split",
        Level.ERROR,
        "a split has no records",
        "Caffe stops when it opens an empty database.",
        find_empty_splits,
        _records(f"val {HERE}", "none", "0,1,2"),
    ),
    Rule(
        "FCN418",
        "names-of-classes",
        Level.WARNING,
        "the net's classes have other names than those of the data set",
        "Class i of the net is class i of the labels, whatever they are called. With another order, one stands for "
        "the other.",
        find_other_names,
        Example(
            {
                DEPLOY_FILE: image() + conv("score", "data", "num_output: 3 kernel_size: 1"),
                "model.json": '{"inputs": [{"blob": "data", "channels": 3, "order": "BGR"}],\n'
                + f' "outputs": [{{"blob": "score", "kind": "scores", "classes": [{HERE}]}}]}}\n',
                "data": _DATA,
            },
            '"b", "a", "c"',
            '"a", "b", "c"',
        ),
    ),
    Rule(
        "FCN419",
        "channels-of-the-model",
        Level.ERROR,
        "the net takes another number of channels than the images have",
        "The first convolution has weights for one number of channels, and Caffe stops at another.",
        find_other_channels,
        Example(
            {
                DEPLOY_FILE: image(f"1 {HERE} 64 64"),
                "model.json": f'{{"inputs": [{{"blob": "data", "channels": {HERE}, "order": "planes"}}],\n'
                + ' "outputs": [{"blob": "data", "kind": "grey"}]}\n',
                "data": _DATA,
            },
            "4",
            "3",
        ),
    ),
    Rule(
        "FCN421",
        "interpolated-label",
        Level.WARNING,
        "a label was interpolated",
        "Between class 0 and class 15 interpolation writes 5 and 10, which are other classes. Labels are resized by "
        "taking the nearest pixel, and by nothing else.",
        find_interpolated_labels,
        Example({"data": f"classes {_MANY}\ntrain {HERE}\n"}, "0,0,5,10,15,15,10,5", "0,0,0,15,15,15,15,0"),
    ),
)
