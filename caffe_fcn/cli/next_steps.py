"""The next command, on stderr: data set, net, weights, training, evaluation, bundle.

    next: caffe-fcn surgery recipe 8s-atonce --weights vgg16 --to-net fcn/deploy.prototxt -o fcn/start.caffemodel
    then: caffe-fcn train fcn/solver.prototxt --weights fcn/start.caffemodel

A command is printed where it runs as it stands, in the same folder; only IMAGE and WEIGHTS stand for files of the user.
Where something is missing that it needs, nothing is printed. ``--quiet`` silences it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn.cli.printing import Verbosity, echo, shorten
from caffe_fcn.description import model_json
from caffe_fcn.errors import CaffeFcnError, NetError
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE

if TYPE_CHECKING:
    from caffe_fcn.description.dataset_json import Description
    from caffe_fcn.description.model_json import Model
    from caffe_fcn.engines.training import Training
    from caffe_fcn.netspec.design import NetDesign

Words = Sequence[object]


def print_next(*commands: Words) -> None:
    """Print commands that follow one after the other; none where a name in them cannot be typed."""
    lines = [shlex.join(("caffe-fcn", *map(_spell, words))) for words in commands]
    if not Verbosity.quiet and all(line.isprintable() for line in lines):
        for number, line in enumerate(lines):
            echo(f"{'then' if number else 'next'}: {line}", err=True)


def _spell(word: object) -> str:
    """A word of a command; a path that would be read as an option begins with ./ ."""
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") else text


def _name_beside(folder: Path, what: str) -> Path:
    """The name of a folder beside another: data/roads-fcn for data/roads."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(f"{named.name}-{what}")


def follow_data_set(output: Path, about: Description) -> None:
    """After a data set: a net for it."""
    net = _choose_net(about)
    if net is not None:
        print_next(("net", "build", net.name, "--source", output, "-o", _name_beside(output, "fcn")))


def _choose_net(about: Description) -> NetDesign | None:
    """The finest FCN of the catalogue for this data set that starts without a trained one, or the usual one for photos.

    None where the data set lacks what the net reads.
    """
    from caffe_fcn.netspec.catalogue import CHOICES, catalogue, find_design
    from caffe_fcn.netspec.dataset_facts import resolve_design

    own = [net for net in catalogue().values() if net.dataset.name == about.name and not net.continues]
    own = [net for net in own if net.backbone.skips]  # nets of other papers have none
    net = min(own, key=lambda each: each.stride or 0, default=find_design(CHOICES[0].nets[0]))
    try:
        fitted, _ = resolve_design(net, {"dataset": about})
    except NetError:
        return None
    return net if fitted.dataset.images == net.dataset.images else None


def follow_net(name: str | NetDesign, folder: Path, about: Description | None, has_usual_classes: bool) -> None:
    """After a net: the weights that it starts from, and its training where its data are there.

    ``has_usual_classes`` says that no option changed the number of classes.
    """
    from caffe_fcn.netspec.catalogue import find_design
    from caffe_fcn.netspec.dataset_facts import resolve_design

    net, solver = find_design(name), folder / SOLVER_FILE
    train = [("train", solver)] if find_missing_data(solver) is None else []
    fitted, _ = resolve_design(net, {"dataset": about})
    if not net.backbone.weights:
        print_next(*train)
    elif fitted.dataset.images == net.dataset.images:
        usual = has_usual_classes and fitted.dataset.class_names == net.dataset.class_names
        start = folder / "start.caffemodel"
        surgery = _choose_surgery(net, usual)
        if surgery:
            then = [(*words, "--weights", start) for words in train]
            print_next((*surgery, "--to-net", folder / DEPLOY_FILE, "-o", start), *then)


def follow_classifier(deploy: Path, folder: Path) -> None:
    """After the FCN of a classifier: the weights that it starts from, which may lie beside the classifier's net."""
    beside = list(deploy.parent.glob("*.caffemodel"))
    weights = beside[0] if len(beside) == 1 else "WEIGHTS"
    start, solver = folder / "start.caffemodel", folder / SOLVER_FILE
    surgery = ("surgery", "transplant", "--weights", weights, "--from-net", deploy)
    train = [("train", solver, "--weights", start)] if find_missing_data(solver) is None else []
    print_next((*surgery, "--to-net", folder / DEPLOY_FILE, "-o", start), *train)


def _choose_surgery(net: NetDesign, has_usual_classes: bool) -> Words:
    """The surgery that makes the weights to start from; empty where they are not published."""
    from caffe_fcn.surgery.recipes import RECIPES

    recipes = [(name, recipe) for name, recipe in RECIPES.items() if recipe.net == net.name]
    if not recipes:
        return ("surgery", "transplant", "--weights", net.backbone.weights)
    name, recipe = recipes[0]
    if not recipe.published or (net.continues and not has_usual_classes):
        return ()
    return ("surgery", "recipe", name, "--weights", recipe.published)


def follow_weights(to_net: str, weights: str) -> None:
    """After weights for the deploy net of a folder: the training of its solver."""
    solver = Path(to_net).with_name(SOLVER_FILE)
    if Path(to_net).name == DEPLOY_FILE and find_missing_data(solver) is None:
        print_next(("train", solver, "--weights", Path(weights)))


def find_missing_data(solver: Path) -> CaffeFcnError | None:
    """What keeps the nets of a solver from being trained: the first thing that is missing; None where nothing is."""
    from caffe_fcn.engines.data_sources import require_sources
    from caffe_fcn.proto import read_solver

    try:
        require_sources(read_solver(solver, allow_unknown=True), solver, solver.parent)
    except CaffeFcnError as error:
        return error
    return None


def follow_training(solver: str, training: Training, weights: Path, engine: Words) -> None:
    """After a training: the score on the validation part of its data set, and the bundle; or predictions."""
    from caffe_fcn.evaluation.validation import find_data_set
    from caffe_fcn.training.snapshots import name_chosen

    folder = Path(solver).parent
    model = _read_model(folder)
    if model is None:
        return
    found = find_data_set(solver, training.folder)
    if found is None:
        _print_infer(folder, weights, "IMAGE", engine)
        return
    lines = []
    trained = _find_unfolded(solver, training.folder, folder)
    if trained is not None:
        chosen = name_chosen(weights)
        lines.append(("surgery", "fold-statistics", "--net", trained, "--weights", weights, "-o", chosen))
        weights = chosen
    data, splits = Path(shorten(found[0])), found[1]
    labelled = [split for split, (_, labels) in splits.items() if labels is not None]
    if "val" in labelled and model.outputs[0].kind != "grey":
        deliver = ("export", "bundle", folder, "--weights", weights, "-o", _name_beside(folder, "bundle"))
        print_next(*lines, ("evaluate", folder / DEPLOY_FILE, weights, "--data", data, *engine), deliver)
    elif labelled:  # without label images it is a classifier
        _print_infer(folder, weights, data, engine)


def _find_unfolded(solver: str, nets: Path, folder: Path) -> Path | None:
    """The trained net, where the deploy net in ``folder`` expects statistics of the training set in its BN layers."""
    from caffe_fcn.proto import read_net, read_solver
    from caffe_fcn.surgery.statistics import needs_statistics

    param = read_solver(solver, allow_unknown=True)
    trained = Path(shorten(nets / (param.train_net or param.net)))
    if not trained.is_file():  # it stands in the solver
        return None
    both = (read_net(net, allow_unknown=True) for net in (trained, folder / DEPLOY_FILE))
    return trained if needs_statistics(*both) else None


def follow_import(folder: Path, weights: Path) -> None:
    """After an imported net: the prediction for an image."""
    if _read_model(folder) is not None:
        _print_infer(folder, weights, "IMAGE")


def follow_model(name: str) -> None:
    """After a published model was fetched: the net that it belongs to, or the FCN that begins with it."""
    from caffe_fcn.models import MODELS
    from caffe_fcn.netspec import describe_model
    from caffe_fcn.netspec.catalogue import CHOICES
    from caffe_fcn.surgery.recipes import RECIPES

    net = MODELS[name].net if name in MODELS else ""
    if net:
        build = ("net", "build", net, "-o", net)
        inputs = describe_model(net).inputs
        seen = len(inputs) == 1 and inputs[0].order == "BGR"
        infer = ("infer", f"{net}/{DEPLOY_FILE}", name, "IMAGE", "-o", f"{net}/predicted")
        print_next(build, *([infer] if seen else []))
        return
    by_net = {recipe.net: key for key, recipe in RECIPES.items() if recipe.published == name}
    for chosen in (each for choice in CHOICES for each in choice.nets if each in by_net):
        print_next(
            ("net", "build", chosen, "-o", chosen),
            ("surgery", "recipe", by_net[chosen], "--weights", name)
            + ("--to-net", f"{chosen}/{DEPLOY_FILE}", "-o", f"{chosen}/start.caffemodel"),
        )
        return


def _print_infer(folder: Path, weights: Path, images: object, engine: Words = ()) -> None:
    print_next(("infer", folder / DEPLOY_FILE, weights, images, "-o", folder / "predicted", *engine))


def _read_model(folder: Path) -> Model | None:
    """The description of a folder's deploy net, where that takes one image and no more."""
    model = model_json.read(folder) if (folder / DEPLOY_FILE).is_file() else None
    return model if model is not None and len(model.inputs) == 1 else None
