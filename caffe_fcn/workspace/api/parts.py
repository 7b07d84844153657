"""All parts of the API: the modules with `OPERATIONS`."""

from __future__ import annotations

from types import ModuleType

from caffe_fcn.workspace.api import (
    datasets,
    jobs,
    models,
    nets,
    runs,
    trials,
)

PARTS: tuple[ModuleType, ...] = (
    datasets,
    jobs,
    models,
    nets,
    runs,
    trials,
)
