"""The options of ``netspec.build``: checked, and completed by the defaults of the net's design.

`make_plan` raises `NetError` for an option that the net does not have and for a value that does not fit; the error
names the option and says what it takes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Any

from caffe_fcn.augmentation import parse_transforms
from caffe_fcn.datasets.reference_layers.published_sets import IMAGENET_MEAN
from caffe_fcn.errors import NetError, nearest
from caffe_fcn.netspec.class_weights import BALANCES, NO_BALANCE, weigh_classes
from caffe_fcn.netspec.data import DATA_LAYERS
from caffe_fcn.netspec.design import BUILD_PHASES, SPELLING, BuildPlan, NetDesign, TrainingOptions, Variant
from caffe_fcn.netspec.learning_rates import LR_POLICIES
from caffe_fcn.netspec.losses import INFOGAIN, LOSSES, SOFTMAX
from caffe_fcn.netspec.optimizers import OPTIMIZERS

TRAINING_OPTIONS = tuple(each.name for each in fields(TrainingOptions))

_DIGITS_MEAN = (116.0,)


def make_plan(net: NetDesign, phase: str, options: Mapping[str, Any]) -> BuildPlan:
    """The plan of a net for a phase (as `check_phase` returns it); an option that is None gets its default.

    ``pad`` is a number here: `prototxts.resolve_padding` replaces "auto" before.
    """
    given = {name: value for name, value in options.items() if value is not None}
    known = [*_OF_A_NET, *_OF_ANY_NET, *dict.fromkeys(["loss", *([net.variants.option] if net.variants else [])])]
    for name in given:
        if name not in known:
            raise NetError(net.name, f"has no option '{name}'", nearest(name, known) or f"it has {', '.join(known)}")
    checked = {name: check(net, given[name]) for name, check in _OF_A_NET.items() if name in given}
    checked |= {name: check(given[name]) for name, check in _OF_ANY_NET.items() if name in given}
    loss, balance = _choose_loss(net, given, checked)
    classes = checked.get("classes", net.classes)
    data = checked.get("data", "lmdb" if phase == "all" else net.data)
    has_shift = (net.digits_form or phase == "all") and data != "python" and net.dataset.mean == IMAGENET_MEAN
    return BuildPlan(
        net=net,
        phase=phase,
        classes=classes,
        data=data,
        source=checked.get("source"),
        mean=checked.get("mean", _DIGITS_MEAN if has_shift else net.dataset.mean),
        size=_check_grid(net, checked.get("size", net.dataset.size)),
        batch=checked.get("batch", 1 if phase == "deploy" else net.batch),
        pad=checked.get("pad"),
        variant=_choose_variant(net, given),
        class_weights=weigh_classes(net, balance, classes[0]) if loss == INFOGAIN else (),
        options=TrainingOptions(**{name: checked[name] for name in TRAINING_OPTIONS if name in checked}),
        augment=checked.get("augment"),
    )


def check_option(name: str, value: Any) -> None:
    """Raise `NetError` for a value that no net takes; an option whose values depend on the net is passed over.

    >>> check_option("base_lr", 0)
    Traceback (most recent call last):
    caffe_fcn.errors.NetError: `base_lr`: cannot be 0 (a learning rate is a number above 0, such as 1e-4)
    """
    if name in _OF_ANY_NET:
        _OF_ANY_NET[name](value)


def check_phase(name: str) -> str:
    """The phase of this name, or of the name that Caffe or the reference gives it ("test", "trainval")."""
    phase = {"trainval": "train", "test": "val"}.get(name, name)
    if phase not in BUILD_PHASES:
        raise NetError(
            "phase", f"no phase {name!r}", nearest(name, BUILD_PHASES) or f"one of {', '.join(BUILD_PHASES)}"
        )
    return phase


def _choose_loss(net: NetDesign, given: Mapping[str, Any], checked: Mapping[str, Any]) -> tuple[str, str]:
    """The loss of a net that learns classes and how it balances them; each of the two implies the other."""
    balance = checked.get("balance")
    if net.variants is not None and net.variants.option == "loss":
        if balance not in (None, NO_BALANCE):
            raise NetError("`balance`", f"{net.name} has no loss that weighs classes", "leave it out")
        return "", NO_BALANCE
    loss = given.get("loss")
    if loss not in (None, *LOSSES):
        raise NetError(net.name, f"has no loss {loss!r}", nearest(str(loss), LOSSES) or f"one of {', '.join(LOSSES)}")
    if balance is None:
        balance = "median" if loss == INFOGAIN else NO_BALANCE
    if loss == SOFTMAX and balance != NO_BALANCE:
        raise NetError("`balance`", f"{balance} weighs classes, and the loss softmax does not", "leave out `loss`")
    if loss == INFOGAIN and balance == NO_BALANCE:
        raise NetError("`balance`", "the loss infogain has no weights without one", "leave it out, or take softmax")
    return (SOFTMAX if balance == NO_BALANCE else INFOGAIN), balance


def _choose_variant(net: NetDesign, given: Mapping[str, Any]) -> Variant:
    """The variant that is asked for, or else the first that takes what is given."""
    if net.variants is None:
        return Variant("", net.solver)
    option, by_name = net.variants.option, {each.name: each for each in net.variants.values}
    fitting = [each for each in by_name.values() if each.takes_classes or "classes" not in given]
    if not fitting:
        raise NetError(net.name, "learns no classes", "leave `classes` out")
    if option not in given:
        return fitting[0]
    name = given[option]
    if name not in by_name:
        mend = nearest(str(name), by_name) or f"one of {', '.join(by_name)}"
        raise NetError(net.name, f"has no {option} {name!r}", mend)
    if by_name[name] not in fitting:
        mend = f"{option} {' and '.join(each.name for each in fitting)} has"
        raise NetError(net.name, f"has no classes with {option} {name}", mend)
    return by_name[name]


# The checks: each takes a value, some of them the design before it, and returns the value as the plan has it


def _check_classes(net: NetDesign, value: Any) -> tuple[int, ...]:
    numbers = _check_integers("classes", value, 1)
    if len(numbers) > len(net.classes):
        raise NetError(net.name, f"learns {len(net.classes)} labelling(s), not {len(numbers)}", "give as many numbers")
    return (*numbers, *net.classes[len(numbers) :])


def _check_data(value: Any) -> str:
    if value not in DATA_LAYERS:
        mend = nearest(str(value), DATA_LAYERS) or f"one of {', '.join(DATA_LAYERS)}"
        raise NetError("data", f"no data layers {value!r}", mend)
    return str(value)


def _check_augment(net: NetDesign, value: Any) -> dict[str, Any]:
    if net.dataset.classified:
        raise NetError("`augment`", f"{net.name} learns one class for each image", "leave `augment` out")
    return parse_transforms(str(value))


def _check_mean(net: NetDesign, value: Any) -> tuple[float, ...]:
    numbers = _as_tuple(value)
    channels = next(iter(net.dataset.images.values()))
    numeric = all(isinstance(each, int | float) and math.isfinite(each) for each in numbers)
    if len(numbers) not in (1, channels) or not numeric:
        raise NetError("mean", f"{value!r} does not fit {channels} channel(s)", "give one figure, or one per channel")
    return tuple(map(float, numbers))


def _check_size(net: NetDesign, value: Any) -> tuple[int, int]:
    numbers = _check_integers("size", value, 1)
    if len(numbers) != 2:
        raise NetError("size", f"cannot be {value!r}", "it is (height, width)")
    return numbers[0], numbers[1]


def _check_grid(net: NetDesign, size: tuple[int, int]) -> tuple[int, int]:
    """The size of image, if the net's layers can bring its scores back to it."""
    step, rest = net.grid
    if any(length % step != rest for length in size):
        fitting = [max((length - rest + step // 2) // step, 1) * step + rest for length in size]
        what = f"takes sizes of {step}*n{f' + {rest}' if rest else ''}, not {size[0]}x{size[1]}"
        raise NetError(net.name, what, f"size {fitting[0]}x{fitting[1]} fits")
    return size


def _check_integer(name: str, least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if len(_as_tuple(value)) != 1:
            raise NetError(name, f"cannot be {value!r}", "it takes one number")
        return _check_integers(name, value, least)[0]

    return check


def _check_pad(net: NetDesign, value: Any) -> int:
    if net.variants is not None and net.variants.option == SPELLING:
        raise NetError(net.name, "has no padding to choose: its layers fit each other by their own", "leave `pad` out")
    return _check_integer("pad", 0)(value)


def _check_epochs(name: str) -> Callable[[Any], Fraction]:
    def check(value: Any) -> Fraction:
        number = _check_number(name, value)
        if not 0 < number <= _MOST_EPOCHS:
            raise NetError(name, f"cannot be {value!r}", f"it takes a number above 0, at most {_MOST_EPOCHS}")
        return Fraction(str(value))  # a float as it is written, so that 0.1 is a tenth

    return check


def _check_rate(value: Any) -> float:
    number = _check_number("`base_lr`", value)
    if not 0 < _to_single(number) < math.inf:
        raise NetError("`base_lr`", f"cannot be {value!r}", "a learning rate is a number above 0, such as 1e-4")
    return number


def _check_momentum(value: Any) -> float:
    number = _check_number("`momentum`", value)
    if not 0 <= _to_single(number) < 1:
        raise NetError("`momentum`", f"cannot be {value!r}", "it is at least 0 and below 1, such as 0.9")
    return number


def _check_choice(name: str, known: Collection[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in known:
            raise NetError(name, f"cannot be {value!r}", nearest(str(value), known) or f"one of {', '.join(known)}")
        return str(value)

    return check


def _check_number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction) or not math.isfinite(value):
        raise NetError(name, f"cannot be {value!r}", "it takes a number")
    return float(value)


def _to_single(number: float) -> float:
    """The value that a field of single precision has."""
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return math.inf


def _check_integers(name: str, value: Any, least: int) -> tuple[int, ...]:
    numbers = _as_tuple(value)
    if not numbers or any(type(each) is not int or not least <= each <= _INT_MAX for each in numbers):
        raise NetError(name, f"cannot be {value!r}", f"it takes whole numbers from {least} to {_INT_MAX}")
    return numbers


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


_INT_MAX = 2**31 - 1  # Caffe counts in int
_MOST_EPOCHS = 1_000_000

_OF_A_NET: dict[str, Callable[[NetDesign, Any], Any]] = {
    "classes": _check_classes,
    "augment": _check_augment,
    "mean": _check_mean,
    "size": _check_size,
    "pad": _check_pad,
}
_OF_ANY_NET: dict[str, Callable[[Any], Any]] = {
    "data": _check_data,
    "source": str,
    "batch": _check_integer("batch", 1),
    "epochs": _check_epochs("`epochs`"),
    "base_lr": _check_rate,
    "lr_policy": _check_choice("`lr_policy`", LR_POLICIES),
    "momentum": _check_momentum,
    "iter_size": _check_integer("`iter_size`", 1),
    "val_every": _check_epochs("`val_every`"),
    "balance": _check_choice("`balance`", BALANCES),
    "optimizer": _check_choice("`optimizer`", OPTIMIZERS),
}
