"""The command that does a step of ``caffe-fcn fit`` alone, as words of a shell.

These commands write the same files as the step does.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

from caffe_fcn.journey.defaults import KEEP
from caffe_fcn.journey.step import Device, Step
from caffe_fcn.journey.steps.bundle import WriteBundle
from caffe_fcn.journey.steps.check import IGNORED, CheckRun
from caffe_fcn.journey.steps.data import BuildDataSet
from caffe_fcn.journey.steps.evaluate import EvaluateNet
from caffe_fcn.journey.steps.net import BuildNet
from caffe_fcn.journey.steps.statistics import FoldStatistics
from caffe_fcn.journey.steps.train import TrainNet
from caffe_fcn.journey.steps.weights import MakeStart


@dataclass(frozen=True)
class StepCommands:
    """Makes the commands; ``classes``, ``colours`` and ``weights`` are as the user gave them."""

    classes: str | None = None
    colours: str | None = None

    def format(self, step: Step) -> str:
        """Return the command as one line that a shell reads."""
        words, output = self.make_words(step)
        return shlex.join(map(str, words)) + (f" > {shlex.quote(str(output))}" if output else "")

    @singledispatchmethod
    def make_words(self, step: Step) -> tuple[list[object], object]:
        """Return the words of the command, and the file that takes what it prints, if any."""
        raise NotImplementedError(step.name)

    @make_words.register
    def _(self, step: BuildDataSet) -> tuple[list[object], object]:
        options = {
            "--images": step.photos,
            "--labels": step.labels,
            "--classes": self.classes,
            "--colors": self.colours,
            "--channels": step.channel_names,
            "--resize": _join(step.size, "x"),
            "--val-percent": _join(step.val_percent),
        }
        return [*_start("data", "folder"), *_list(options), "-o", step.output], None

    @make_words.register
    def _(self, step: BuildNet) -> tuple[list[object], object]:
        options = {f"--{name.replace('_', '-')}": _join(value) for name, value in step.options.items()}
        source = os.path.relpath(step.data) if step.has_data_inside else step.data  # an absolute path stays in the nets
        return [*_start("net", "build"), step.net, "--source", source, *_list(options), "-o", step.folder], None

    @make_words.register
    def _(self, step: MakeStart) -> tuple[list[object], object]:
        target = ["--to-net", step.net, "-o", step.output]
        if step.donor is None:
            return [*_start("surgery", "fill"), *target], None
        donor = ["--weights", step.donor]
        if step.recipe and not step.left_out:
            return [*_start("surgery", "recipe"), step.recipe, *donor, *target], None
        renames = ",".join(f"{name}=" for name in step.left_out)
        return [*_start("surgery", "transplant"), *donor, *target, *_list({"--map": renames or None})], None

    @make_words.register
    def _(self, step: CheckRun) -> tuple[list[object], object]:
        given = ["--weights", step.start, "--data", step.data, "--solver", step.solver]
        thorough = ["--thorough"] if step.records else []
        return [*_start("check"), step.net, *given, "--ignore", ",".join(IGNORED), *thorough], None

    @make_words.register
    def _(self, step: TrainNet) -> tuple[list[object], object]:
        newest = step.find_snapshot()
        start = ["--snapshot", newest.state] if newest and newest.weights != step.weights else ["--weights", step.start]
        device = [*_list(_device_options(step.device)), *([] if step.checked else ["--no-check"])]
        return [*_start("train"), step.solver, *start, "--keep", KEEP, *device], None

    @make_words.register
    def _(self, step: FoldStatistics) -> tuple[list[object], object]:
        given = ["--net", step.net, "--weights", step.trained, "--data", step.data, "-o", step.output]
        return [*_start("surgery", "fold-statistics"), *given, *_list({"--gpu": step.device.first_gpu})], None

    @make_words.register
    def _(self, step: EvaluateNet) -> tuple[list[object], object]:
        device = _device_options(step.device) | {"--gpu": step.device.first_gpu, "--nproc": None}
        words = [*_start("evaluate"), step.net, step.weights, "--data", step.data, "--split", step.split, "--json"]
        return [*words, *_list(device)], step.output

    @make_words.register
    def _(self, step: WriteBundle) -> tuple[list[object], object]:
        return [*_start("export", "bundle"), step.folder, "-o", step.output], None


def _start(*words: str) -> list[object]:
    return ["caffe-fcn", *words]


def _list(options: Mapping[str, object]) -> Iterable[object]:
    """The options that have a value, each with it."""
    return [word for name, value in options.items() if value is not None for word in (name, value)]


def _join(value: Any, separator: str = ",") -> object:
    if isinstance(value, float):
        return f"{value:g}"
    return separator.join(map(str, value)) if isinstance(value, list | tuple) else value


def _device_options(device: Device) -> dict[str, object]:
    return {
        "--engine": None if device.engine == "auto" else device.engine,
        "--gpu": device.gpu or None,
        "--nproc": device.nproc,
        "--precision": None if device.precision == "float32" else device.precision,
        "--caffe": device.caffe,
    }
