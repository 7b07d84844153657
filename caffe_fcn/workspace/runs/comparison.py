"""Several runs side by side: the settings in which they differ, and their scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_fcn.engines.events import MEASURES
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.training.ranking import name_measure
from caffe_fcn.workspace.runs.run import Run

if TYPE_CHECKING:
    from caffe_fcn.proto import SolverParameter

_UNSET = "-"
_LONGEST = 200


@dataclass(frozen=True)
class Row:
    """A setting, or a measure, with its text for each run; ``best`` is the place of the best one, if there is one."""

    name: str
    texts: tuple[str, ...]
    best: int | None = None


def list_differences(runs: Sequence[Run]) -> list[Row]:
    """Return the settings that are not the same in all runs."""
    found = [dict(list_settings(run)) for run in runs]
    names = list(dict.fromkeys(name for settings in found for name in settings))
    rows = [Row(name, tuple(settings.get(name, _UNSET) for settings in found)) for name in names]
    return [row for row in rows if len(set(row.texts)) > 1]


def list_settings(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what a run was made with: engine, weights, and each field of its solver as it was run."""
    record, solver = run.record, run.solver
    if record:
        yield "engine", record.engine
        yield "precision", record.precision
        yield "processes", str(record.processes or 1)
        yield "weights", ", ".join(f"{name} ({size:,} bytes)" for name, size in record.weights) or "random values"
        solver = _parse(record.solver) or solver
    for field, value in solver.ListFields() if solver else ():
        if field.message_type is not None:
            continue
        if field.is_repeated:
            yield field.name, ", ".join(map(str, value))[:_LONGEST]
        elif field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            yield field.name, known.name if known else str(value)
        else:
            yield field.name, f"{value:g}" if isinstance(value, float) else str(value)[:_LONGEST]


def list_scores(runs: Sequence[Run]) -> list[Row]:
    """Return the best scores, measure by measure, and where they were."""
    if not any(run.scores for run in runs):
        return []
    rows = [Row("at iteration", tuple(f"{run.best.iteration:,}" if run.best else _UNSET for run in runs))]
    for measure in MEASURES:
        values = [run.best.measures[measure] if run.best else -1.0 for run in runs]
        texts = tuple(f"{100 * value:.2f} %" if value >= 0 else _UNSET for value in values)
        rows.append(Row(name_measure(measure), texts, values.index(max(values))))
    return rows


def _parse(text: str) -> SolverParameter | None:
    from caffe_fcn.proto import SolverParameter, parse

    solver = SolverParameter()
    try:
        parse(text, solver, allow_unknown=True)
    except CaffeFcnError:
        return None
    return solver
