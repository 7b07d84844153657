"""The files that the nets of a training read, looked for before the training starts.

    require_sources(read_solver("solver.prototxt"), Path("solver.prototxt"), Path())

An engine that does not find them dies while it sets up a layer, and the reason may be lost: real Caffe does not show
what a Python layer raises. Only what is missing is reported here; what is damaged, the engine finds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from caffe_fcn import files
from caffe_fcn.engines.solver_nets import name_nets, read_nets
from caffe_fcn.errors import CaffeFcnError, FileError, NetError
from caffe_fcn.net.file_paths import MEAN_FIELD, find_paths
from caffe_fcn.net.graph import filtered
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.proto import LayerParameter, NetParameter, SolverParameter

_LMDB = 1
_LMDB_FILE = "data.mdb"
_LONGEST_LINE = 1 << 16
_OTHER_DATA = "build the net for other data: caffe-fcn net build NAME `source` SET -o DIR"


class _Missing(NamedTuple):
    """A path that leads nowhere: what should be there, what of it the layer reads, and how to mend it."""

    path: Path
    kind: str
    read: str = "it"
    mend: str = "check the path"


def require_sources(solver: SolverParameter, file: Path, folder: Path) -> None:
    """Raise `FileError` for the first file or folder that is missing of those that the nets of ``solver`` read.

    ``file`` is the solver's own file, ``folder`` the working directory of the training. Nets that cannot be read are
    passed over: the engine says what is wrong with them. Raises `NetError` for a Data layer that names no database.
    """
    try:
        nets = read_nets(solver, folder, allow_unknown=True)
        present = [filtered(net, net.state.phase, net.state.level, net.state.stage) for net in nets]
    except CaffeFcnError:
        return
    for name, net in zip(name_nets(solver, file.name), present, strict=True):
        for layer, missing in _find_missing(net, folder):
            what = f"layer '{layer.name}' ({layer.type}) of {name} reads {missing.read}"
            raise FileError(os.path.normpath(missing.path), f"no such {missing.kind}; {what}", missing.mend)


def _find_missing(net: NetParameter, folder: Path) -> Iterator[tuple[LayerParameter, _Missing]]:
    for layer, field, path in find_paths(net):
        is_read = field[0] in (layer_type(layer.type).param_name, MEAN_FIELD[0]) and field not in _OTHERWISE
        if is_read and not _exists(folder / path):
            yield layer, _Missing(folder / path, "file", "it" if field[1] == "source" else f"its {field[1]}")
    for layer in net.layer:
        origin = origin_of(layer)
        missing = _LOOK[origin](layer, folder) if origin in _LOOK else None
        if missing is not None:
            yield layer, missing


_OTHERWISE = (
    ("data_param", "source"),
    *((f"{kind}_param", "root_folder") for kind in ("image_data", "dense_image_data", "window_data")),
)
"""Fields that do not name a file: a database is a folder, and a root_folder is the beginning of a path."""


def _look_for_database(layer: LayerParameter, folder: Path) -> _Missing | None:
    param = layer.data_param
    if not param.source:
        raise NetError(f"layer '{layer.name}' ({layer.type})", "names no database", f"set its source, or {_OTHER_DATA}")
    path = folder / param.source
    if _exists(path) and (param.backend != _LMDB or not path.is_dir() or _exists(path / _LMDB_FILE)):
        return None
    return _Missing(path, "database", mend=f"build the data set there, or {_OTHER_DATA}")


def _look_for_image(layer: LayerParameter, folder: Path) -> _Missing | None:
    """The first image of the list: where that one is missing, the others are elsewhere, too."""
    param = getattr(layer, layer_type(layer.type).param_name, None)
    if param is None:  # a fork's, which our schema does not have
        return None
    line = _read_first_line(folder / param.source)
    is_pair = layer_type(layer.type).origin is Origin.IMAGE_PAIRS  # whose label may be missing
    name = next(iter(line.split()), "") if is_pair else line.rpartition(" ")[0]
    path = folder / f"{param.root_folder}{name}"
    read = f"it, the first of {param.source}"
    return _Missing(path, "image", read, "check the list and root_folder") if name and not _exists(path) else None


def _look_for_hdf5(layer: LayerParameter, folder: Path) -> _Missing | None:
    source = layer.hdf5_data_param.source
    name = next(iter(_read_first_line(folder / source).split()), "")
    path = folder / name
    return (
        _Missing(path, "file", f"it, the first of {source}", "check the list") if name and not _exists(path) else None
    )


def _look_for_published_set(layer: LayerParameter, folder: Path) -> _Missing | None:
    """What one of the reference's own layers reads: the folders of its set, the list of the split, the first image."""
    from caffe_fcn.datasets.reference_layers import decoders, published_sets, pycaffe_layers

    known = {each.name for each in published_sets.LAYERS.values()} | {pycaffe_layers.SegDataLayer.__name__}
    if layer.python_param.layer not in known:
        return None
    try:
        params = pycaffe_layers.parse_params(layer.python_param.param_str)
        name, source = pycaffe_layers.find_set(params)
    except (ValueError, TypeError):  # the layer says what is wrong with its parameters
        return None
    read = f"the published set '{name}' there"
    for key in source.folders:
        path = folder / str(params[key])
        if not _exists(path):
            return _Missing(path, "folder", read, f"unpack the set there, or {_OTHER_DATA}")
        params[key] = str(path)
    listed = Path(source.names.format(**params))
    whole = f"unpack the whole set, or {_OTHER_DATA}"
    if not _exists(listed):
        return _Missing(listed, "list", "the names of its images there", whole)
    if source.table:
        try:
            decoders.TABLES[source.table](params)
        except OSError as error:
            return _Missing(Path(error.filename), "list", "its names of classes", whole)
        except ValueError:  # the layer says what is wrong with the lists
            return None
    names = decoders.parse_names([_read_first_line(listed)])
    for top in (source.tops[each] for each in params.get("tops", source.usual_tops) if each in source.tops):
        for path in (Path(top.path.format(**{**params, "name": each})) for each in names):
            if not _exists(path):
                return _Missing(path, "file", f"it, the first of {listed}", whole)
    return None


_LOOK: dict[Origin | None, Callable[[LayerParameter, Path], _Missing | None]] = {
    Origin.DATABASE: _look_for_database,
    Origin.IMAGE_LIST: _look_for_image,
    Origin.IMAGE_PAIRS: _look_for_image,
    Origin.HDF5: _look_for_hdf5,
    Origin.CODE: _look_for_published_set,
}


def _exists(path: Path) -> bool:
    with files.naming_errors(path):
        return path.exists()


def _read_first_line(path: Path) -> str:
    """Return the first line of a regular file, and "" for anything else."""
    with files.naming_errors(path):
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return os.fsdecode(file.readline(_LONGEST_LINE).rstrip(b"\r\n"))
