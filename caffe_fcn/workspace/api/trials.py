"""Testing under /api/test: a model run on images, or scored on a data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool

from caffe_fcn.workspace.api.document import (
    INTEGER,
    NUMBER,
    TEXT,
    Asked,
    Operation,
    array_of,
    object_of,
    optional,
    ref,
)
from caffe_fcn.workspace.forms import trials as forms
from caffe_fcn.workspace.forms.fields import describe, gather
from caffe_fcn.workspace.jobs.job import Job
from caffe_fcn.workspace.trials import models, trial
from caffe_fcn.workspace.trials.submitting import MOST_IMAGES, submit_trial
from caffe_fcn.workspace.trials.trial import Trial
from caffe_fcn.workspace.web.receiving import receive_form


def list_trials(asked: Asked) -> dict[str, Any]:
    """Answer with the models, and the trials so far."""
    settings = asked.workspace.settings
    return {
        "models": [{"name": each.name, "kind": each.kind} for each in models.list_models(settings)],
        "tests": [describe_trial(each) for each in trial.list_trials(settings)],
    }


def begin(asked: Asked) -> Job:
    """Run a model on images of the server, or score it."""
    return submit_trial(asked.workspace, asked.body)


async def begin_with_images(asked: Asked) -> Job:
    """Run a model on images that are sent along, as a form sends them."""
    workspace = asked.workspace
    name = await run_in_threadpool(trial.make_name, workspace.settings)
    with trial.forgetting(workspace.settings, name):
        folder = workspace.settings.root / trial.GROUP / name / trial.IMAGES_FOLDER
        received = await receive_form(asked.request, workspace.settings, folder, MOST_IMAGES)
        given = gather(forms.FIELDS, received.fields)
        return await run_in_threadpool(submit_trial, workspace, given, name, received.files)


def show_trial(asked: Asked) -> dict[str, Any]:
    """Answer with what came of a trial."""
    from caffe_fcn.workspace.trials import scores

    settings, found = asked.workspace.settings, trial.find(asked.workspace.settings, asked.path["name"])
    scored = scores.read(settings, found) if found.is_score else None
    return {
        **describe_trial(found),
        "scores": scored.measures if scored else None,
        "images": [asdict(each) for each in trial.read_answers(settings, found)],
    }


def show_pixel(asked: Asked) -> dict[str, Any]:
    """Answer with the probabilities of a pixel's classes."""
    from caffe_fcn.workspace.trials.pictures import Pictures

    settings, query = asked.workspace.settings, asked.query
    found = trial.find(settings, asked.path["name"])
    pictures = Pictures(settings, found, trial.find_answer(settings, found, query.get("image", 0)))
    return {"classes": pictures.look_up(query.get("x", 0), query.get("y", 0))}


def describe_trial(found: Trial) -> dict[str, Any]:
    """Return what a trial was asked."""
    asked = {"name": found.name, "model": found.model, "truth": found.truth, "split": found.split}
    return {**asked, "places": [*found.places], "address": f"/test/view/{found.name}"}


_ASKED = {
    "name": TEXT,
    "model": TEXT,
    "places": array_of(TEXT),
    "truth": optional(TEXT),
    "split": TEXT,
    "address": TEXT,
}
SCHEMAS = {"Test": object_of(**_ASKED)}
_ANSWER = object_of(**_ASKED, scores=optional({"type": "object", "additionalProperties": NUMBER}), images=array_of({}))
_PIXEL = {"image": INTEGER, "x": INTEGER, "y": INTEGER}
_CLASS = object_of(**{"class": INTEGER, "name": TEXT, "probability": NUMBER})

OPERATIONS = (
    Operation(
        "GET",
        "/api/test",
        "The models, and the tests so far.",
        list_trials,
        response=object_of(models=array_of(object_of(name=TEXT, kind=TEXT)), tests=array_of(ref("Test"))),
    ),
    Operation("POST", "/api/test", "Run a model on images, or score it.", begin, request=describe(forms.FIELDS)),
    Operation(
        "POST",
        "/api/test/images",
        "Run a model on images that are sent along, in fields of any name.",
        begin_with_images,
        media="multipart/form-data",
    ),
    Operation("GET", "/api/test/{name}", "What came of a test.", show_trial, response=_ANSWER),
    Operation(
        "GET",
        "/api/test/{name}/pixel",
        "What the net thinks of a pixel.",
        show_pixel,
        query=_PIXEL,
        response=object_of(classes=array_of(_CLASS)),
    ),
)
