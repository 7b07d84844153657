"""Testing: a model run on images, with what it answered over them; or scored on a whole data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.forms import trials as forms
from caffe_fcn.workspace.forms.fields import Form, FormError, gather
from caffe_fcn.workspace.jobs.job import Job
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.trials import models, trial
from caffe_fcn.workspace.trials.submitting import MOST_IMAGES, submit_trial
from caffe_fcn.workspace.trials.trial import KINDS, Answer, Trial
from caffe_fcn.workspace.web.receiving import Received, receive_form
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import find_workspace

if TYPE_CHECKING:
    from caffe_fcn.workspace.trials.pictures import Pictures

REPORT_POLICY = "sandbox allow-scripts allow-popups"
"""The policy of pages that commands write: they run their own scripts, and belong to no site."""

_WAIT = 2.0  # seconds until a browser is sent to the job's page
_SHOWN = 200


def list_trials(request: Request) -> Response:
    """Show the models that can be tested, and the tests so far."""
    settings = find_workspace(request).settings
    known = models.list_models(settings)
    found = [each for _, each in zip(range(_SHOWN), trial.list_trials(settings), strict=False)]
    return render(request, "trials.html", models=known, trials=found)


def show_form(request: Request) -> Response:
    """Show the form of a trial, with the values that the address has."""
    settings = find_workspace(request).settings
    table = forms.make_table(settings, request.query_params.get("model", ""))
    given = gather(table, request.query_params.multi_items())
    return render(request, "trial_form.html", form=Form(table, given), file_error="")


def open_form(request: Request) -> Response:
    """Send the browser to the form for a model; ``weights`` and the like in the address go along."""
    model = request.path_params["model"]
    if model not in [each.name for each in models.list_models(find_workspace(request).settings)]:
        raise NotFoundError(model, "is no model of this workspace", "see the list of models")
    query = urlencode({"model": model, **request.query_params})
    return RedirectResponse(f"/test/new?{query}", 303)


async def make_trial(request: Request) -> Response:
    """Take the form, with the images that are sent along, and run the trial."""
    settings = find_workspace(request).settings
    name = await run_in_threadpool(trial.make_name, settings)
    with trial.forgetting(settings, name):
        folder = settings.root / trial.GROUP / name / trial.IMAGES_FOLDER
        received = await receive_form(request, settings, folder, MOST_IMAGES)
        return await run_in_threadpool(_submit, request, name, received)


def _submit(request: Request, name: str, received: Received) -> Response:
    workspace = find_workspace(request)
    table = forms.make_table(workspace.settings)
    given = gather(table, received.fields)
    try:
        job = submit_trial(workspace, given, name, received.files)
    except FormError as error:
        file_error = error.fields.get("images", "")
        return render(request, "trial_form.html", 422, form=Form(table, given, error), file_error=file_error)
    return _follow(request, job, name)


def _follow(request: Request, job: Job, name: str) -> Response:
    """Send the browser to the results where they are there soon, else to the job."""
    job = find_workspace(request).jobs.wait(job.number, _WAIT)
    return RedirectResponse(f"/test/view/{name}" if job.state.is_over else f"/jobs/{job.number}", 303)


def show_trial(request: Request) -> Response:
    """Show what came of a trial: one image large, and all of them small; or the scores."""
    workspace, found = find_workspace(request), find_trial(request)
    settings = workspace.settings
    context: dict[str, Any] = {
        "trial": found,
        "task": forms.make_task(settings, found),
        "job": next(iter(workspace.jobs.list(makes=f"{trial.GROUP}/{found.name}", most=1)), None),
        "has_look": (trial.find_folder(settings, found) / trial.LOOK_FILE).is_file(),
    }
    if found.is_score:
        from caffe_fcn.reports.run import MEASURES
        from caffe_fcn.workspace.trials import scores

        scored = scores.read(settings, found)
        images = scores.choose_images(scored) if scored else {}
        return render(request, "trial_scores.html", scores=scored, images=images, measures=MEASURES, **context)
    answers = trial.read_answers(settings, found)
    chosen = _choose(request, answers)
    pictures = _draw(settings, found, chosen) if chosen else None
    channels = pictures.count_classes() if pictures else 0
    names = pictures.read_names(channels) if pictures and channels else []
    colours = pictures.read_colours() if pictures and chosen and chosen.classes else {}
    return render(
        request, "trial.html", answers=answers, chosen=chosen, names=names, colours=colours, shown=_SHOWN, **context
    )


def send_picture(request: Request) -> Response:
    """Send a picture of an image of a trial as PNG."""
    pictures, kind = _find_pictures(request), request.query_params.get("kind", "")
    if kind not in KINDS:
        raise NotFoundError(kind[:40], "is no kind of picture", f"one of {', '.join(KINDS)}")
    number = _read_number(request, "class")
    if kind in ("probability", "stretched") and number >= pictures.count_classes():
        raise NotFoundError(f"class {number}", "is none of this net")
    headers = {"cache-control": "private, max-age=3600"}
    return Response(pictures.draw(kind, number), media_type="image/png", headers=headers)


def send_pixel(request: Request) -> Response:
    """Say what the net thinks of a pixel."""
    x, y = _read_number(request, "x"), _read_number(request, "y")
    return JSONResponse({"x": x, "y": y, "classes": _find_pictures(request).look_up(x, y)})


def send_channels(request: Request) -> Response:
    """Say the least, mean and greatest value of each channel."""
    return JSONResponse({"channels": _find_pictures(request).measure_channels()})


def send_file(request: Request) -> Response:
    """Send a file that the trial wrote, to be kept."""
    pictures = _find_pictures(request)
    path = pictures.find_file(request.query_params.get("kind", "label"))
    if not path.is_file():
        raise NotFoundError(path.name, "is no longer there", "run the trial again")
    return FileResponse(path, filename=path.name)


def send_look(request: Request) -> Response:
    """Send the page on what is inside the model."""
    path = trial.find_folder(find_workspace(request).settings, find_trial(request)) / trial.LOOK_FILE
    if not path.is_file():
        raise NotFoundError(path.name, "is not there", "ask for it in the form of the test")
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})


def run_again(request: Request) -> Response:
    """Run a trial once more."""
    workspace, found = find_workspace(request), find_trial(request)
    return _follow(request, workspace.jobs.submit(forms.make_task(workspace.settings, found)), found.name)


def find_trial(request: Request) -> Trial:
    """Return the trial that the address names; raises `NotFoundError`."""
    return trial.find(find_workspace(request).settings, request.path_params["name"])


def _find_pictures(request: Request) -> Pictures:
    settings, found = find_workspace(request).settings, find_trial(request)
    return _draw(settings, found, trial.find_answer(settings, found, _read_number(request, "image")))


def _draw(settings: Settings, found: Trial, answer: Answer) -> Pictures:
    from caffe_fcn.workspace.trials.pictures import Pictures  # imports numpy

    return Pictures(settings, found, answer)


def _choose(request: Request, answers: list[Answer]) -> Answer | None:
    number = _read_number(request, "image")
    return answers[number] if number < len(answers) else None


def _read_number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise CaffeFcnError(quote(text[:40]), "is no number", f"give {name}=0, for example")
    return int(text)


ROUTES = [
    Route("/test", list_trials, methods=["GET"]),
    Route("/test/new", show_form, methods=["GET"]),
    Route("/test/new", make_trial, methods=["POST"]),
    Route("/test/view/{name}", show_trial, methods=["GET"]),
    Route("/test/picture/{name}", send_picture, methods=["GET"]),
    Route("/test/pixel/{name}", send_pixel, methods=["GET"]),
    Route("/test/channels/{name}", send_channels, methods=["GET"]),
    Route("/test/file/{name}", send_file, methods=["GET"]),
    Route("/test/look/{name}", send_look, methods=["GET"]),
    Route("/test/again/{name}", run_again, methods=["POST"]),
    Route("/test/{model:path}", open_form, methods=["GET"]),
]
