"""Scores the snapshots of a training on the validation part of its data set.

validation = open_validation("fcn/solver.prototxt", Path.cwd())
validation.score(500, Path("fcn/snapshot/train_iter_500.caffemodel"))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffe_fcn.datasets.records import opening
from caffe_fcn.datasets.records.opening import Pairs, Paths
from caffe_fcn.engines.events import Score
from caffe_fcn.engines.solver_nets import read_nets
from caffe_fcn.errors import CaffeFcnError, EngineError
from caffe_fcn.evaluation.evaluate import evaluate
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.net.layer_types import Origin, origin_of
from caffe_fcn.progress import TaskProgress
from caffe_fcn.proto import SolverParameter, read_net, read_solver
from caffe_fcn.surgery.statistics import needs_statistics

_SPLIT = "val"


@dataclass(frozen=True)
class Validation:
    """A net and the images that its snapshots are scored on; ``options`` go to `engines.load`."""

    net: Path
    pairs: Pairs
    engine: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)

    def score(self, iteration: int, weights: Path, progress: TaskProgress | None = None) -> Score:
        """Score the weights after so many iterations; raises what `evaluate` raises."""
        found = evaluate(self.net, weights, self.pairs, engine=self.engine, progress=progress, **self.options).scores
        return Score(
            iteration,
            found.mean_iu,
            found.pixel_accuracy,
            found.mean_accuracy,
            found.frequency_weighted_iu,
            tuple(found.accuracy),
            tuple(found.iu),
        )


def open_validation(solver: PathLike, data: PathLike | None = None, engine: str = "auto", **options: Any) -> Validation:
    """Open what the snapshots of a solver's training are scored with: a deploy net beside it, or else its own net.

    The images are the validation part of the data set in ``data``, or else of that whose databases the nets read.
    Raises `EngineError` where there is none, or it has no label images.
    """
    path, param = Path(solver), read_solver(solver, allow_unknown=True)
    deploy = path.parent / DEPLOY_FILE
    names = [*param.test_net, param.net, param.train_net]
    own = next(filter(None, names), "")
    folder = Path() if Path(own).is_file() else path.parent
    if data is None:
        found = find_data_set(solver, folder)
        if found is None:
            what = "finds no data set whose databases the nets of the training read"
            raise EngineError("`score_every`", what, "name it with `data`")
        data = found[0]
    if _SPLIT not in opening.splits(data):
        raise EngineError("`score_every`", f"{data} has no validation part", "name another data set with `data`")
    pairs = opening.open(data, _SPLIT)
    if pairs.labels is None:
        what = f"{data} has no label images: its nets are classifiers, which Caffe's own test scores"
        raise EngineError("`score_every`", what, "leave it out")
    return Validation(deploy if _runs_as_trained(deploy, folder, param) else folder / own, pairs, engine, options)


def _runs_as_trained(deploy: Path, folder: Path, param: SolverParameter) -> bool:
    """Whether there is a deploy net that takes weights as the training writes them, without a surgery first."""
    if not deploy.is_file():
        return False
    trained = folder / (param.train_net or param.net)
    both = (read_net(net, allow_unknown=True) for net in (trained, deploy))
    return not (trained.is_file() and needs_statistics(*both))


def find_data_set(solver: PathLike, folder: Path) -> tuple[Path, dict[str, Paths]] | None:
    """Return the data set with the databases that a solver's nets read, and the databases of its splits.

    The paths in the nets are relative to ``folder``. None where there is none.
    """
    try:
        nets = read_nets(read_solver(solver, allow_unknown=True), folder, allow_unknown=True)
        layers = [layer for net in nets for layer in net.layer if origin_of(layer) is Origin.DATABASE]
        for source in (folder / layer.data_param.source for layer in layers):
            for parent in (source.parent, source.parent.parent):
                if splits := opening.splits(parent) if parent.is_dir() else {}:
                    return parent.resolve(), splits
    except CaffeFcnError:
        return None
    return None
