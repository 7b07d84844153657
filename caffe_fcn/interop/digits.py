"""Import model jobs and model archives of NVIDIA DIGITS as net folders.

found = import_job("jobs/20160809-112414-0296", "nets/roads")      # or a .tar.gz, .tar.bz2, .tar, .zip
found.files                 # deploy.prototxt, train_val.prototxt, weights.caffemodel, model.json, ...
found.notes                 # what was assumed, and what is not here

`unpack_job` writes only what is needed to run the net.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.datasets.records.stores import escape_name
from caffe_fcn.description import model_json
from caffe_fcn.errors import FileError, WeightsError
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE, TRAIN_VAL_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.interop.digits_job import LABELS_FILE, MEAN_FILE, MOST_MEAN, MOST_TEXT, ModelJob
from caffe_fcn.interop.digits_model import Transform, describe_net, read_transform
from caffe_fcn.interop.job_files import JobFiles, open_job
from caffe_fcn.interop.job_paths import set_path
from caffe_fcn.net.file_paths import MEAN_FIELD, find_paths
from caffe_fcn.proto import NetParameter, SolverParameter, UnknownField, to_text
from caffe_fcn.weights import open_weights, read_mean

MOST_WEIGHTS = 4 << 30
"""The largest weights file that is read out of an archive."""

_WEIGHTS_STEM = "weights"
_COPIED = ("original.prototxt", "digits_python_layers.py")
_SNAPSHOT_PREFIX = "snapshot/train"


@dataclass
class ImportedJob:
    """What `import_job` wrote: ``weights`` is the file of ``snapshot``, which is the name that DIGITS gave to it.

    ``notes`` say what was assumed and what is not here, ``unknown_fields`` what no known Caffe has.
    """

    weights: Path
    snapshot: str
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown_fields: list[UnknownField] = field(default_factory=list)


def import_job(
    job: PathLike, output: PathLike, data: PathLike | None = None, allow_unknown: bool = False
) -> ImportedJob:
    """Write the net folder of a model job or a model archive of DIGITS into ``output``.

    ``data`` is the folder of the data set job, where it does not lie beside that of the model job. ``allow_unknown``
    keeps fields of a prototxt that no known Caffe has. All files appear, or none.

    Raises `FileError` for what is no such job, and `PrototxtError`, `NetError` or `WeightsError` for damaged files.
    """
    folder = Path(output)
    with open_job(job) as source:
        if source.folder is not None and folder.exists() and folder.samefile(source.folder):
            raise FileError(folder, "is the folder of the job itself", "name another folder")
        model = ModelJob(source, None if data is None else Path(data), allow_unknown)
        with files.make_folder(folder), files.make_folder((folder / _SNAPSHOT_PREFIX).parent), files.write_together():
            return _write_folder(folder, model)


def unpack_job(source: JobFiles, folder: Path) -> ImportedJob:
    """Write what runs the net of a job into ``folder``: deploy.prototxt, the mean, labels.txt and ``model.json``.

    The weights of an archive are written there, too; those of a folder stay where they are. Fields that the schema
    does not have are kept in the deploy net, for the engine that runs it to judge; elsewhere they do not matter.
    Raises what `import_job` raises.
    """
    job = ModelJob(source, data=None, allow_unknown=True)
    found = _make_result(folder, job)
    _write_description(folder, job, found)
    if source.folder is None:
        _write_weights(job, found)
    else:
        found.weights = source.folder / job.snapshot
        _check_weights(found.weights)
    return found


def _write_folder(folder: Path, job: ModelJob) -> ImportedJob:
    found = _make_result(folder, job)
    transform = _write_description(folder, job, found)
    texts = {}
    if job.train_val is not None:
        found.notes += _correct_paths(job.train_val, job, transform)
        texts[TRAIN_VAL_FILE] = to_text(job.train_val)
    if job.solver is not None:
        _rename_files(job.solver)
        texts[SOLVER_FILE] = to_text(job.solver)
    for name, text in texts.items():
        _write(found, folder / name, [text.encode()])
    for name in sorted(set(_COPIED) & set(job.source.names)):
        _write(found, folder / name, job.source.read_blocks(name, MOST_TEXT))
    _write_weights(job, found)
    return found


def _make_result(folder: Path, job: ModelJob) -> ImportedJob:
    suffix = ".caffemodel.h5" if job.snapshot.endswith(".h5") else ".caffemodel"
    return ImportedJob(folder / f"{_WEIGHTS_STEM}{suffix}", job.snapshot, unknown_fields=job.unknown_fields)


def _write_description(folder: Path, job: ModelJob, found: ImportedJob) -> Transform:
    """Write deploy.prototxt, and what describes it; returns what images must go through."""
    labels = job.read_labels()
    if model_json.FILE in job.source.names:  # a bundle, which describes itself
        return _copy_description(folder, job, found, labels)
    transform = _write_mean(folder, job, found)
    names = None if labels is None else labels.decode("utf-8-sig", "replace").splitlines()
    model, notes = describe_net(job.deploy, job.train_val, transform, names)
    model.dataset = escape_name(job.data.resolve().name) if job.data else None
    found.notes += notes
    _write(found, folder / DEPLOY_FILE, [to_text(job.deploy).encode()])
    if labels is not None:
        _write(found, folder / LABELS_FILE, [labels])
    model.write(folder)
    found.files.append(folder / model_json.FILE)
    return transform


def _write_weights(job: ModelJob, found: ImportedJob) -> None:
    blocks = job.source.read_blocks(job.snapshot, MOST_WEIGHTS)
    _write(found, found.weights, blocks, _check_weights, job.source.locate(job.snapshot))


def _copy_description(folder: Path, job: ModelJob, found: ImportedJob, labels: bytes | None) -> Transform:
    """Write deploy.prototxt, and what a bundle says of it, with the means that it names."""
    name = model_json.FILE
    model = model_json.parse(job.source.read(name, MOST_TEXT), job.source.locate(name))
    _write(found, folder / DEPLOY_FILE, [to_text(job.deploy).encode()])
    if labels is not None:
        _write(found, folder / LABELS_FILE, [labels])
    for mean in dict.fromkeys(each.mean_file for each in model.inputs if each.mean_file):
        blocks = job.source.read_blocks(mean, MOST_MEAN)
        _write(found, folder / mean, blocks, lambda path: [*read_mean(path)], job.source.locate(mean))
    model.write(folder)
    found.files.append(folder / name)
    return Transform()


def _write_mean(folder: Path, job: ModelJob, found: ImportedJob) -> Transform:
    """Write the mean image if the net has one; returns what images must go through, with that file."""
    transform = read_transform(job.deploy, job.train_val)
    if transform.mean is not None:
        return transform
    image = job.read_mean(transform.mean_file)
    if image is None:
        where = transform.mean_file or f"{job.source.path}: {MEAN_FILE}"
        found.notes.append(f"{where} is not here: the mean that the net was trained with is unknown")
        return replace(transform, mean_file="")
    if not transform.mean_file:
        found.notes.append(f"there is no {TRAIN_VAL_FILE}: {MEAN_FILE} is taken to be subtracted")
    content, where = image
    _write(found, folder / MEAN_FILE, [content], lambda path: [*read_mean(path)], where)
    return replace(transform, mean_file=MEAN_FILE)


def _correct_paths(net: NetParameter, job: ModelJob, transform: Transform) -> list[str]:
    """Replace the paths of another machine; returns a note on each path that leads nowhere on this one."""
    missing = []
    for layer, where, path in find_paths(net):
        if where == MEAN_FIELD and transform.mean_file:
            set_path(layer, where, transform.mean_file)
        elif (place := job.locate(path)) is not None:
            end = "/" if path.endswith("/") else ""  # of a root_folder, to which names are appended
            set_path(layer, where, f"{place.resolve()}{end}")
        elif where != MEAN_FIELD:
            missing.append(path)
    mend = "name the folder of the data set job with `data`"
    return [f"{TRAIN_VAL_FILE} reads {path}, which is not here ({mend})" for path in dict.fromkeys(missing)]


def _rename_files(solver: SolverParameter) -> None:
    """Give the solver the names that the files have in the net folder."""
    for name in ("net_param", "train_net", "train_net_param", "test_net", "test_net_param"):
        solver.ClearField(name)
    solver.net = TRAIN_VAL_FILE
    solver.snapshot_prefix = _SNAPSHOT_PREFIX


def _check_weights(path: PathLike) -> None:
    with open_weights(path) as weights:
        if not any(layer.tensors for layer in weights.layers):
            raise WeightsError(path, "has no weights", "name a job that has been trained")


def _write(
    found: ImportedJob,
    target: Path,
    blocks: Iterable[bytes],
    check: Callable[[str], object] = lambda path: None,
    where: str = "",
) -> None:
    """Write a file of the net folder; what ``check`` finds wrong with it is wrong with the file at ``where``."""
    with files.atomic_write(target) as out:
        for block in blocks:
            out.write(block)
        out.flush()
        try:
            check(out.name)
        except WeightsError as error:
            raise WeightsError(where, error.what, error.mend) from error
    found.files.append(target)
