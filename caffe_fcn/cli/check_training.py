"""What is checked before a training starts: the rules that look at headers only."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.cli.printing import print_note
from caffe_fcn.errors import CaffeFcnError

_LEFT_TO_THE_ENGINE = (
    "unknown-type",  # a fork of Caffe may have it
    "unknown-field",
    "missing-net",  # the engine looks for these itself
    "missing-data",
    "test-figures",
    "rate-policy",
    "solver-type",
    "missing-snapshot-folder",  # is made
    "no-gpu",  # another engine is taken
)


def check_training(solver: str, weights: Sequence[str]) -> None:
    """Note the warnings about a training, and raise `CaffeFcnError` for the first error, if there is one.

    What cannot be read is left to the engine, whose errors say more.
    """
    from caffe_fcn import checks

    if solver == "-":  # which can be read only once
        return
    start = weights[0] if len(weights) == 1 else None
    try:
        found = checks.run(solver=solver, weights=start, ignore=_LEFT_TO_THE_ENGINE, cheap=True)
    except CaffeFcnError:
        return
    for finding in found:
        if finding.level is checks.Level.WARNING:
            print_note(str(finding))
    checks.raise_first_error(found)
