"""All pages: the modules with `ROUTES`."""

from __future__ import annotations

from types import ModuleType

from caffe_fcn.workspace.pages import (
    datasets,
    doors,
    exports,
    jobs,
    models,
    nets,
    new_nets,
    overview,
    runs,
    trash,
    trials,
)

ROOMS: tuple[ModuleType, ...] = (
    datasets,
    doors,
    exports,
    jobs,
    models,
    nets,
    new_nets,
    overview,
    runs,
    trash,
    trials,
)
