"""A net folder copied to be trained anew, with other settings of its solver.

    clone_net("runs/roads", "runs/roads-slow", {"base_lr": "1e-5", "max_iter": "20000"})

What is copied is what a training needs: the nets, the solver, ``model.json``, and the small files beside them that the
nets read. Paths to data stay those of the same data, as seen from the new folder. Snapshots, logs and weights are
not copied.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from caffe_fcn import augmentation, files
from caffe_fcn.description import model_json
from caffe_fcn.engines.solver_nets import find_working_directory
from caffe_fcn.errors import CaffeFcnError, FileError, NetError, PrototxtError, nearest
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.net.file_paths import find_paths
from caffe_fcn.proto import NetParameter, SolverParameter, parse, read_net, read_solver, to_text
from caffe_fcn.proto.copying import copy_message
from caffe_fcn.proto.solver_facts import (
    find_net_mistakes,
    find_policy_mistakes,
    find_test_mistakes,
    find_type_mistakes,
)

_PREFIX = "snapshot/train"
_NETS = ("net", "train_net", "test_net", "snapshot_prefix")
"""The fields that say where files are, which the copy settles itself."""

_STRINGS = ("lr_policy", "type", "regularization_type")
_MOST_BESIDE = 1 << 26  # bytes of a file that is copied along


def clone_net(source: PathLike, target: PathLike, settings: Mapping[str, str] | None = None) -> list[Path]:
    """Copy the net folder ``source`` into the new folder ``target``; returns the files that were written.

    ``settings`` are fields of the solver with the text of their new values; those of a list are separated by commas,
    and an empty text takes the field out. Raises `FileError` where there is no solver or ``target`` holds a net,
    `NetError` for a setting that no solver has or that does not fit, and `PrototxtError` for a value that does not
    parse.
    """
    folder, into = Path(source), Path(target)
    if not (folder / SOLVER_FILE).is_file():
        raise FileError(folder, f"has no {SOLVER_FILE}", "name the folder of a net that can be trained")
    if (into / SOLVER_FILE).exists() or (into / DEPLOY_FILE).exists():
        raise FileError(into, "holds a net already", "name another folder")
    solver = read_solver(folder / SOLVER_FILE, allow_unknown=True)
    base = find_working_directory(solver, folder.resolve() / SOLVER_FILE)
    nets = {path.name: path for path in _list_nets(solver, base, folder)}
    changed = change_settings(solver, settings or {})
    _name_nets(changed, solver)
    texts: dict[str, str] = {}
    beside: dict[str, Path] = {}
    for name, path in nets.items():
        texts[name], further = _rewrite(path, base, folder, into)
        beside |= further
    texts[SOLVER_FILE] = to_text(changed, _explain(folder, changed, settings or {}))
    for name in (model_json.FILE, augmentation.FILE.name):
        if (folder / name).is_file():
            beside[name] = folder / name
    with files.make_folder(into), files.make_folder(into / Path(_PREFIX).parent), files.write_together():
        for name, text in texts.items():
            files.write_text(into / name, text)
        for name, path in beside.items():
            _copy(path, into / name)
    return [into / name for name in (*texts, *beside)]


def change_settings(solver: SolverParameter, settings: Mapping[str, str]) -> SolverParameter:
    """Return the solver with other values; raises as `clone_net`."""
    changed = copy_message(solver)
    known = {field.name: field for field in SolverParameter.DESCRIPTOR.fields if field.message_type is None}
    for name, text in settings.items():
        if name not in known or name in _NETS:
            what = f"no setting {name!r} of a solver can be changed"
            mend = nearest(name, known.keys() - set(_NETS)) or "such as base_lr or max_iter"
            raise NetError("`settings`", what, mend)
        changed.ClearField(name)  # type: ignore[arg-type]
        values = text.split(",") if known[name].is_repeated else [text]
        for value in filter(None, map(str.strip, values)):
            quoted = f'"{value}"' if name in _STRINGS and not value.startswith('"') else value
            try:
                parse(f"{name}: {quoted}", changed)
            except PrototxtError as error:
                raise NetError(name, f"cannot be {value[:40]!r}: {error.what}", error.mend) from error
    for find in (find_type_mistakes, find_policy_mistakes, find_net_mistakes, find_test_mistakes):
        for mistake in find(changed):
            raise NetError(mistake.field or SOLVER_FILE, mistake.what, mistake.mend)
    return changed


def _list_nets(solver: SolverParameter, base: Path, folder: Path) -> Iterator[Path]:
    """Yield the files of the nets: those that the solver names, and the deploy net."""
    for name in filter(None, (solver.net, solver.train_net, *solver.test_net)):
        yield base / name
    if (folder / DEPLOY_FILE).is_file():
        yield folder / DEPLOY_FILE


def _name_nets(changed: SolverParameter, solver: SolverParameter) -> None:
    """Name the nets as they lie beside the copy's solver."""
    for field in ("net", "train_net"):
        if getattr(solver, field):
            setattr(changed, field, Path(getattr(solver, field)).name)
    del changed.test_net[:]
    changed.test_net.extend(Path(name).name for name in solver.test_net)
    changed.snapshot_prefix = _PREFIX


def _rewrite(path: Path, base: Path, folder: Path, into: Path) -> tuple[str, dict[str, Path]]:
    """Return a net whose paths lead to the same places from ``into``, and the files that are copied along."""
    text = files.read_bytes(path).decode(errors="surrogateescape")
    net, beside = read_net(path, allow_unknown=True), {}
    is_changed = False
    for layer, (message, field), named in find_paths(net):
        if Path(named).is_absolute():
            continue
        place = Path(os.path.normpath(base.resolve() / named))
        if place.parent == folder.resolve() and place.is_file():
            beside[place.name] = place
            led = place.name
        else:
            led = os.path.relpath(place, into.resolve())
            led += "/" if named.endswith("/") else ""
        if led != named:
            _set_path(net, layer, message, field, led)
            is_changed = True
    return (to_text(net) if is_changed else text), beside


def _set_path(net: NetParameter, layer: Any, message: str, field: str, path: str) -> None:
    setattr(getattr(layer, message), field, path)


def _explain(folder: Path, changed: SolverParameter, settings: Mapping[str, str]) -> dict[str, str]:
    """Return what says each value: it was given, or the solver that was copied."""
    names = [field.name for field, _ in changed.ListFields()]
    return {name: "as given" if name in settings else f"as in {folder.name}" for name in names}


def _copy(source: Path, target: Path) -> None:
    with files.naming_errors(source):
        if source.stat().st_size > _MOST_BESIDE:
            raise CaffeFcnError(source, "is too large to be copied along", "name it by an absolute path in the net")
        with source.open("rb") as file, files.atomic_write(target) as copy:
            shutil.copyfileobj(file, copy)
