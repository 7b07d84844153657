"""FCN301 to FCN318: what a solver says, and whether the training that it describes can run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from caffe_fcn.checks.example_nets import conv
from caffe_fcn.checks.example_solvers import files
from caffe_fcn.checks.memory import state_bytes
from caffe_fcn.checks.net_file import Form
from caffe_fcn.checks.rule import HERE, Example, Level, Place, Problem, Rule
from caffe_fcn.checks.scored_classes import scored_classes
from caffe_fcn.checks.subject import SolverFile, Subject
from caffe_fcn.file_names import SOLVER_FILE
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.proto import LayerParameter, SolverParameter, solver_facts
from caffe_fcn.proto.solver_facts import POLICY_FIGURES, find_net_mistakes, find_policy_mistakes, find_type_mistakes

_RATE_MATTERS = ("SGD", "Nesterov")  # the others divide a gradient by its size

_TOO_HIGH, _TOO_LOW = 10.0, 1e-7  # of the rate for a mean over pixels, divided by 1 - momentum
_HEAVY = 0.98
_MANY = 10  # images an update
_GPU = Path("/dev/nvidiactl")


def on_solver(check: Callable[[SolverFile], Iterable[Problem]]) -> Callable[[Subject], Iterator[Problem]]:
    """The rule that looks at the solver alone."""

    def check_it(subject: Subject) -> Iterator[Problem]:
        if subject.solver is not None:
            yield from check(subject.solver)

    return check_it


def find_missing_nets(file: SolverFile) -> Iterator[Problem]:
    """Nets that the solver names and that are not there, and solvers that name none or too many."""
    for field, net in file.nets:
        if not file.resolve(net).is_file():
            yield Problem(file.locate(field), f"{field} '{net}' does not exist", "check the path")
    for mistake in find_net_mistakes(file.solver):
        yield Problem(file.locate(mistake.field), mistake.what, mistake.mend)


def find_missing_data(subject: Subject) -> Iterator[Problem]:
    """Files of data layers that are not there when a training is to run."""
    if subject.solver is None:
        return
    for form in subject.forms:
        for node in form.nodes if form.file.role else ():
            for path, named in _files_of(node.layer):
                if not named:
                    yield form.report(node, "names no source", "name its data")
                elif not subject.solver.resolve(named).exists():
                    yield form.report(node, f"reads '{named}', which does not exist", "check the path", path)


def _files_of(layer: LayerParameter) -> Iterator[tuple[str, str]]:
    """The paths that a data layer names, each with its field."""
    origin, row = origin_of(layer), layer_type(layer.type)
    if origin in (Origin.DATABASE, Origin.IMAGE_LIST, Origin.WINDOW_LIST, Origin.HDF5):
        yield f"{row.param_name}.source", str(getattr(layer, row.param_name).source)
    if layer.transform_param.mean_file:
        yield "transform_param.mean_file", str(layer.transform_param.mean_file)


def find_missing_folders(file: SolverFile) -> Iterator[Problem]:
    """Folders for snapshots that are not there."""
    prefix = file.solver.snapshot_prefix
    folder = file.resolve(str(prefix)).parent
    if prefix and not folder.is_dir() and _writes_snapshots(file.solver):
        what = f"the folder of snapshot_prefix '{prefix}' does not exist, and caffe does not make it"
        yield Problem(file.locate("snapshot_prefix"), what, f"mkdir {folder}; caffe-fcn train makes it")


def find_too_little_space(subject: Subject) -> Iterator[Problem]:
    """Trainings whose snapshots do not fit on the disk."""
    if subject.solver is None or not _writes_snapshots(subject.solver.solver):
        return
    solver, file = subject.solver.solver, subject.solver
    folder = file.resolve(str(solver.snapshot_prefix)).parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    count = (solver.max_iter // solver.snapshot if solver.snapshot else 0) + solver.snapshot_after_train
    free = shutil.disk_usage(folder).free if subject.free_space is None else subject.free_space
    for form in subject.forms:
        if form.trains and form.file.role and form.shapes is not None:
            need = count * (form.shapes.parameter_bytes + state_bytes(form.shapes, solver))
            if need > free:
                what = f"{count} snapshots take {need / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB"
                yield Problem(file.locate("snapshot"), what, "take fewer, or remove old ones on the way")


def find_wrong_test_counts(subject: Subject) -> Iterator[Problem]:
    """Tests of more or fewer images than there are."""
    if subject.solver is None or subject.dataset is None or not _tests(subject.solver.solver):
        return
    splits = subject.dataset.splits
    for number, form in enumerate(form for form in subject.forms if form.phase == "val" and form.file.role):
        if number >= len(subject.solver.solver.test_iter) or "val" not in splits:
            continue
        batches, batch, count = subject.solver.solver.test_iter[number], _batch(form), len(splits["val"].pairs)
        if batch and -(-count // batch) != batches:
            what = f"test_iter {batches} with batches of {batch} tests {batches * batch} images, and there are {count}"
            yield Problem(subject.solver.locate("test_iter"), what, f"set test_iter: {-(-count // batch)}")


def find_test_mistakes(file: SolverFile) -> Iterator[Problem]:
    """Test nets without their figures."""
    for mistake in solver_facts.find_test_mistakes(file.solver):
        yield Problem(file.locate(mistake.field), mistake.what, mistake.mend)


def find_wrong_policies(file: SolverFile) -> Iterator[Problem]:
    """Policies that do not exist, or lack their figures."""
    solver = file.solver
    policy = str(solver.lr_policy)
    place = file.locate("lr_policy")
    for mistake in find_policy_mistakes(solver):
        yield Problem(place, mistake.what, mistake.mend)
    missing = [name for name in POLICY_FIGURES.get(policy, ()) if not _is_set(solver, name)]
    if missing:
        yield Problem(place, f"lr_policy '{policy}' has no {' and no '.join(missing)}", f"set {', '.join(missing)}")


def _is_set(solver: SolverParameter, name: str) -> bool:
    return any(field.name == name for field, _ in solver.ListFields())


def find_missing_rates(file: SolverFile) -> Iterator[Problem]:
    """Solvers without a rate or without an end."""
    for name, what in (("base_lr", "the rate is 0 and nothing is learned"), ("max_iter", "the training ends at once")):
        if not _is_set(file.solver, name):
            yield Problem(file.locate("lr_policy"), f"has no {name}: {what}", f"set {name}")


def find_wrong_types(file: SolverFile) -> Iterator[Problem]:
    """Types of solvers that do not exist, or do not take a figure."""
    for mistake in find_type_mistakes(file.solver):
        yield Problem(file.locate(mistake.field), mistake.what, mistake.mend)


def find_wrong_rates(subject: Subject) -> Iterator[Problem]:
    """Rates for another sum of losses than the net has."""
    if subject.solver is None or subject.solver.solver.type not in _RATE_MATTERS:
        return
    solver = subject.solver.solver
    for form, node in _score_losses(subject):
        pixels = _count_summands(form, node)
        rate = solver.base_lr * pixels * (node.layer.loss_weight[0] if node.layer.loss_weight else 1)
        step = rate / max(1 - solver.momentum, 1e-6)
        if step > _TOO_HIGH:
            what = f"base_lr {solver.base_lr:g} is for a mean over pixels, and {node} sums {pixels:.0f} of them"
            yield Problem(
                subject.solver.locate("base_lr"), what, "set loss_param { normalize: true }, or a rate as 1e-10"
            )
        elif 0 < step < _TOO_LOW and pixels == 1:
            what = f"base_lr {solver.base_lr:g} is for a sum over pixels, and {node} takes their mean"
            yield Problem(
                subject.solver.locate("base_lr"), what, "set loss_param { normalize: false }, or a rate as 1e-4"
            )


def _count_summands(form: Form, node: Node) -> float:
    """How many losses of single pixels are added up into the loss."""
    table: dict[str, object] = {}
    param = node.layer.loss_param
    if param.HasField("normalization"):
        names = param.DESCRIPTOR.fields_by_name["normalization"].enum_type.values_by_number
        table["loss_param.normalization"] = names[param.normalization].name
    layer_type(node.type).simplify(table, node.layer)
    mode = table.get("loss_param.normalization", "VALID")
    shape = form.shapes.blobs[node.bottoms[1].name] if form.shapes and len(node.bottoms) > 1 else ()
    count = 1.0
    for side in shape:
        count *= side
    return {"NONE": count, "BATCH_SIZE": count / max(shape[0] if shape else 1, 1)}.get(str(mode), 1.0)


def find_heavy_momentum(subject: Subject) -> Iterator[Problem]:
    """Momentum for single images together with large batches."""
    if subject.solver is None or subject.solver.solver.type not in _RATE_MATTERS:
        return
    solver = subject.solver.solver
    for form, _ in _score_losses(subject):
        images = _batch(form) * solver.iter_size
        if solver.momentum >= _HEAVY and images >= _MANY:
            what = f"momentum {solver.momentum:g} is for updates by one image, and each is by {images}"
            yield Problem(subject.solver.locate("momentum"), what, "set momentum: 0.9")


def find_short_trainings(subject: Subject) -> Iterator[Problem]:
    """Trainings that end before they have seen every image."""
    if subject.solver is None or subject.dataset is None:
        return
    solver = subject.solver.solver
    split = next(iter(subject.dataset.splits.values()))
    for form in subject.forms:
        if form.trains and form.file.role and (batch := _batch(form)):
            seen = solver.max_iter * batch * solver.iter_size
            if 0 < seen < len(split.pairs):
                what = f"max_iter {solver.max_iter} shows {seen} images, and the data set has {len(split.pairs)}"
                yield Problem(subject.solver.locate("max_iter"), what, "train for several epochs")


def find_missing_seeds(file: SolverFile) -> Iterator[Problem]:
    """Trainings that differ each time."""
    if file.solver.random_seed < 0:
        yield Problem(Place(file.path), "has no random_seed: no two trainings are alike", "set random_seed")


def find_needless_tests(file: SolverFile) -> Iterator[Problem]:
    """Solvers that test once, before they train."""
    solver = file.solver
    if solver.test_iter and solver.test_initialization and 0 < solver.max_iter < solver.test_interval:
        what = f"tests before the first iteration and, by test_interval {solver.test_interval}, never again"
        yield Problem(file.locate("test_interval"), what, "set test_initialization: false, or test more often")


def find_missing_gpus(subject: Subject) -> Iterator[Problem]:
    """Trainings that ask for a GPU where there is none."""
    has_gpu = _GPU.exists() if subject.has_gpu is None else subject.has_gpu
    if subject.solver is not None and subject.solver.solver.solver_mode == SolverParameter.GPU and not has_gpu:
        mend = "set solver_mode: CPU; caffe-fcn train runs on what is there"
        yield Problem(subject.solver.locate("solver_mode"), "asks for a GPU, and this machine has none", mend)


def find_missing_snapshots(file: SolverFile) -> Iterator[Problem]:
    """Long trainings of which an interruption leaves nothing."""
    solver = file.solver
    if not solver.snapshot and solver.max_iter >= 10_000:
        what = f"takes no snapshot in {solver.max_iter} iterations"
        yield Problem(file.locate("max_iter"), what, "set snapshot")


def _score_losses(subject: Subject) -> Iterator[tuple[Form, Node]]:
    """The first loss that compares scores in each net that the solver trains."""
    for form in subject.forms:
        if form.trains and form.file.role:
            for node, _ in scored_classes(form):
                yield form, node
                break


def _batch(form: Form) -> int:
    """The images of a batch, by the first blob of the first data layer; 0 where nobody knows."""
    source = next((node for node in form.nodes if origin_of(node.layer) and node.tops), None)
    shape = form.shapes.blobs.get(source.tops[0].name, ()) if form.shapes and source else ()
    return shape[0] if len(shape) > 1 else 0


def _tests(solver: SolverParameter) -> bool:
    return bool(solver.test_iter) and (solver.test_initialization or 0 < solver.test_interval <= solver.max_iter)


def _writes_snapshots(solver: SolverParameter) -> bool:
    return bool(solver.snapshot) or solver.snapshot_after_train


_SOURCE = (
    'layer { name: "data" type: "Data" top: "data" top: "label" '
    f'data_param {{ source: "{HERE}" batch_size: 1 backend: LMDB }} }}\n'
)
_DATA = "classes a b c\ntrain 0,1,2\ntrain 0,1,2\ntrain 0,1,2\nval 0,1\nval 0,1\n"


def _with_data(solver: str) -> dict[str, str]:
    texts = files(solver, batch=1)
    return {**texts, "data": _DATA}


RULES = (
    Rule(
        "FCN301",
        "missing-net",
        Level.ERROR,
        "the solver's net is not there",
        "Paths in a solver are relative to the folder in which caffe runs, not to the solver's own. Caffe trains the "
        "net of one field: net, or train_net with test_net for the others.",
        on_solver(find_missing_nets),
        Example(files(f'net: "{HERE}.prototxt"'), "trian", "train"),
    ),
    Rule(
        "FCN302",
        "missing-data",
        Level.ERROR,
        "the data of a training are not there",
        "A data layer names a database, a list or a mean that does not exist from where the training runs. Checked "
        "where a solver is given, because a net alone may be for another machine.",
        find_missing_data,
        Example(
            {
                **files(""),
                "data": _DATA,
                "train.prototxt": _SOURCE + conv("score", "data", "num_output: 5 kernel_size: 1"),
            },
            "data/train_image",
            "data/train_images",
        ),
    ),
    Rule(
        "FCN303",
        "missing-snapshot-folder",
        Level.WARNING,
        "the folder for snapshots is not there",
        "Caffe does not make it, and stops: with `snapshot` set at the start, otherwise after the last iteration, "
        "when the weights are lost. `caffe-fcn train` makes it.",
        on_solver(find_missing_folders),
        Example(files(f'snapshot: 100 snapshot_prefix: "{HERE}train"'), "snapshot/", ""),
    ),
    Rule(
        "FCN304",
        "too-little-space",
        Level.WARNING,
        "the snapshots do not fit on the disk",
        "Each snapshot has all weights, and a state as large or twice as large. A training of VGG-16 with a snapshot "
        "every 4,000 iterations writes 27 GB in 100,000.",
        find_too_little_space,
        Example(files(f'snapshot: {HERE} snapshot_prefix: "train"'), "1", "1000", {"free_space": 1000}),
    ),
    Rule(
        "FCN305",
        "test-count",
        Level.WARNING,
        "a test does not see each image once",
        "A test runs test_iter batches. With fewer than the validation set has, the scores are those of its first "
        "images; with more, some count twice.",
        find_wrong_test_counts,
        Example(_with_data(f"test_iter: {HERE} test_interval: 100"), "7", "2"),
    ),
    Rule(
        "FCN306",
        "test-figures",
        Level.ERROR,
        "test nets lack test_iter or test_interval",
        "Caffe wants a test_iter for every test net, and a test_interval, and stops without them.",
        on_solver(find_test_mistakes),
        Example(files(f"test_iter: 2 {HERE}"), "", "test_interval: 100"),
    ),
    Rule(
        "FCN307",
        "rate-policy",
        Level.ERROR,
        "the learning rate's policy lacks its figures",
        "Without lr_policy, or without its stepsize, Caffe stops. Without gamma the rate is 0 after the first step; "
        "without power 'poly' and 'inv' never change it.",
        on_solver(find_wrong_policies),
        Example(files(f'lr_policy: "step" gamma: 0.1 {HERE}'), "", "stepsize: 1000"),
    ),
    Rule(
        "FCN308",
        "no-rate",
        Level.ERROR,
        "the solver has no base_lr or no max_iter",
        "Both are 0 where they are not set: Caffe then trains with a rate of 0, or not at all, and reports success.",
        on_solver(find_missing_rates),
        Example(
            {
                **files("base_lr"),
                SOLVER_FILE: files("base_lr")[SOLVER_FILE].replace("base_lr\n", f"{HERE}\n"),
            },
            "",
            "base_lr: 0.001",
        ),
    ),
    Rule(
        "FCN309",
        "solver-type",
        Level.ERROR,
        "the solver's type does not exist, or does not take a figure",
        "AdaGrad and RMSProp have no momentum, and Caffe stops at one that is set.",
        on_solver(find_wrong_types),
        Example(files(f'type: "{HERE}"'), "RMSProp", "Adam"),
    ),
    Rule(
        "FCN311",
        "rate-of-the-loss",
        Level.WARNING,
        "the rate is for another sum of losses",
        "A loss that is not normalized adds up a quarter of a million pixels of an image of 500 x 500. The reference "
        "trains so, with rates of 1e-10 to 1e-14; a normalized loss takes 1e-4 or more. With the wrong one of the "
        "two, a training diverges at once, or learns nothing in weeks.",
        find_wrong_rates,
        Example(files(f"base_lr: {HERE}", "loss_param { normalize: false }"), "0.001", "1e-10"),
    ),
    Rule(
        "FCN312",
        "heavy-momentum",
        Level.WARNING,
        "a momentum for single images with large batches",
        "Momentum 0.99 with batches of one image averages about as many images as momentum 0.9 with twenty of them. "
        "Both together average hundreds, and overshoot.",
        find_heavy_momentum,
        Example(files(f"momentum: {HERE} iter_size: 20"), "0.99", "0.9"),
    ),
    Rule(
        "FCN313",
        "less-than-an-epoch",
        Level.WARNING,
        "the training ends before it has seen every image",
        "max_iter counts updates, each by batch_size x iter_size images.",
        find_short_trainings,
        Example(_with_data(f"max_iter: {HERE}"), "2", "300"),
    ),
    Rule(
        "FCN314",
        "no-seed",
        Level.HINT,
        "no two trainings are alike",
        "Without a random_seed fillers, dropout and mirrored images differ each time. A seed makes it possible to "
        "tell whether a change of the net made the difference.",
        on_solver(find_missing_seeds),
        Example(files(HERE + "# random_seed").copy(), "", "random_seed: 1701 "),
    ),
    Rule(
        "FCN315",
        "needless-test",
        Level.HINT,
        "the net is tested once, before it is trained",
        "test_initialization is true where it is not set, and a test of a large validation set takes minutes.",
        on_solver(find_needless_tests),
        Example(files(f"test_iter: 5 test_interval: 999999 {HERE}"), "", "test_initialization: false"),
    ),
    Rule(
        "FCN316",
        "no-gpu",
        Level.WARNING,
        "the solver asks for a GPU, and there is none",
        "solver_mode is GPU where it is not set, and caffe stops without one.",
        find_missing_gpus,
        Example(files(HERE), "solver_mode: GPU", "solver_mode: CPU", {"has_gpu": False}),
    ),
    Rule(
        "FCN317",
        "no-snapshot",
        Level.HINT,
        "a long training takes no snapshot",
        "Weights are written at the end alone, and whatever ends the training before leaves nothing.",
        on_solver(find_missing_snapshots),
        Example(files(f"max_iter: 100000 {HERE}"), "", "snapshot: 4000"),
    ),
)
