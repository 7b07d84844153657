"""Run the rules over a net and what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe_fcn.checks.rule import Finding, Level
from caffe_fcn.checks.subject import Subject
from caffe_fcn.checks.table import choose_rules
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.files import PathLike
from caffe_fcn.net.layer_types import DataShapes, Shape


def run(
    net: PathLike | None = None,
    weights: PathLike | None = None,
    data: PathLike | None = None,
    solver: PathLike | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    phase: str | None = None,
    thorough: bool = False,
    cheap: bool = False,
    gpu_memory: float | None = None,
    workers: int = 1,
    free_space: float | None = None,
    has_gpu: bool | None = None,
    target: str | None = None,
    inputs: Mapping[str, Shape] | None = None,
    data_shapes: DataShapes | None = None,
) -> list[Finding]:
    """What the rules find in a net (a path), its weights, its data set (a folder) and its solver, whichever are given.

    >>> from caffe_fcn import netspec, proto
    >>> proto.write(netspec.build("voc-fcn8s", "train"), "train.prototxt")
    >>> [(finding.code, finding.place.layer) for finding in run("train.prototxt")]
    [('FCN111', 'upscore2'), ('FCN111', 'upscore_pool4'), ('FCN111', 'upscore8')]

    The nets that the solver names are checked too. ``select`` and ``ignore`` are beginnings of codes, such as "FCN1",
    or names of rules. ``phase`` says what the net is for, where neither its layers nor its name do. With ``thorough``
    all records are decoded and all weights are read, with ``workers`` threads; with ``cheap`` only the rules run that
    look at headers. ``gpu_memory`` (of the GPU) and ``free_space`` (of the disk) are in bytes; they and ``has_gpu`` are
    those of this machine where they are not given. ``target`` is a program or device that is to take the net
    (see `caffe_fcn.interop.targets`). ``inputs`` has the shapes of blobs that only code or data know. ``data_shapes``
    looks into the files of data layers; by default those of the working directory, and those beside the net.
    Raises `CaffeFcnError` types for files that cannot be read and codes that do not exist.
    """
    rules = choose_rules(select, ignore, cheap)
    settings = (phase, thorough, gpu_memory, workers, free_space, has_gpu, target, inputs, data_shapes)
    with Subject(net, weights, data, solver, *settings) as subject:
        found = [
            Finding(rule, problem.place, problem.what, problem.mend, problem.edits)
            for rule in rules
            for problem in rule.check(subject)
        ]
    return list(dict.fromkeys(found))


def raise_first_error(findings: Sequence[Finding]) -> None:
    """Raise `CaffeFcnError` for the first of the errors among the findings, if there are any."""
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    if errors:
        others = sorted({f"{finding.code} {finding.rule.name}" for finding in errors[1:]})
        more = f"; and {len(errors) - 1} more errors: {', '.join(others)}" if others else ""
        first = errors[0]
        mend = "; ".join(filter(None, (first.mend, "`no_check` trains nevertheless")))
        raise CaffeFcnError(first.place, f"{first.code} {first.what}{more}", mend)


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether any of the findings is an error."""
    return any(finding.level is Level.ERROR for finding in findings)
