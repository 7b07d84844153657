"""The demo: triangles drawn, a net trained on them in about a minute, and run on a picture of them.

    demo.submit(workspace.settings, workspace.jobs)

It is one job, with the commands of docs/tutorials/triangles.md and fewer images. What it writes lies where the pages
write theirs, so that each of them has something to show.
"""

from __future__ import annotations

from importlib.util import find_spec

from caffe_fcn.workspace.jobs.job import Job, Kind, Task
from caffe_fcn.workspace.jobs.queue import Jobs
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.trials import trial
from caffe_fcn.workspace.trials.trial import GROUP, PREDICTED_FOLDER, RESULT_FILE, Trial

DATASET, RUN, TRIAL = "datasets/triangles", "runs/triangles", "demo"
PICTURE = f"{DATASET}/grid.png"
TITLE = "Demo: draw triangles, train a net on them, run it"

_PAIRS = 2000
_CORES = 2


def submit(settings: Settings, jobs: Jobs, pairs: int = _PAIRS) -> Job | None:
    """Queue the demo with so many ``pairs`` of images; None where it was queued before, or its folders are taken.

    Raises `CaffeFcnError` where the workspace cannot be written.
    """
    if find(jobs) is not None or any((settings.root / each).exists() for each in (DATASET, RUN)):
        return None
    engine = _choose_engine()
    trial.write(settings, Trial(TRIAL, RUN, (PICTURE,), options=engine))
    return jobs.submit(make_task(pairs, engine))


def find(jobs: Jobs) -> Job | None:
    """Return the newest job of the demo; None in a workspace without one."""
    return next((job for job in jobs.list(makes=RUN) if job.task.title == TITLE), None)


def make_task(pairs: int, engine: tuple[str, ...] = ()) -> Task:
    """Return the commands of the demo: data set, net, training for one epoch, and a trial on the picture."""
    iterations = pairs * 9 // 10 // 4  # a tenth is for validation, and the net takes four images at a time
    every = max(1, iterations // 3)
    folder = f"{GROUP}/{TRIAL}"
    commands = (
        ("data", "triangles", "--count", str(pairs), "-o", DATASET),
        ("net", "build", "triangles", "--source", DATASET, "--epochs", "1", "-o", RUN),
        ("train", f"{RUN}/solver.prototxt", "--score-every", str(every), "--keep-best", "1", *engine),
        ("infer", RUN, PICTURE, "-o", f"{folder}/{PREDICTED_FOLDER}", "--json", *engine),
    )
    return Task(TITLE, Kind.TRAIN, commands, RUN, _CORES, outputs=("", "", "", f"{folder}/{RESULT_FILE}"))


def _choose_engine() -> tuple[str, ...]:
    """Return the option for torch where it is installed, which trains this net in a third of Caffe's time."""
    return ("--engine", "torch") if find_spec("torch") else ()
