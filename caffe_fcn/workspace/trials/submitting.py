"""A trial from the values of its form to its job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caffe_fcn.workspace.forms import trials as forms
from caffe_fcn.workspace.forms.fields import parse
from caffe_fcn.workspace.jobs.job import Job
from caffe_fcn.workspace.trials import trial
from caffe_fcn.workspace.web.state import Workspace

MOST_IMAGES = 500
"""The images that one form has at most."""


def submit_trial(workspace: Workspace, given: Mapping[str, Any], name: str = "", uploaded: Sequence[str] = ()) -> Job:
    """Queue the trial that the values of a form ask for; ``uploaded`` are images that lie in its folder already.

    Raises `FormError`, after which nothing of a new trial is left.
    """
    settings = workspace.settings
    values = parse(forms.make_table(settings), given)
    name = name or trial.make_name(settings)
    with trial.forgetting(settings, name):
        planned = forms.plan_trial(settings, values, name, uploaded)
        trial.write(settings, planned)
        return workspace.jobs.submit(forms.make_task(settings, planned))
