"""Jobs under /api/jobs: what runs and ran, its log, how it is stopped and resumed."""

from __future__ import annotations

from typing import Any

from caffe_fcn.workspace.api.document import (
    INTEGER,
    JOB,
    TEXT,
    Asked,
    Operation,
    array_of,
    describe_job,
    object_of,
    ref,
)
from caffe_fcn.workspace.jobs.job import Job, Kind, State

MOST = 200
"""The jobs that one answer has at most."""


def list_jobs(asked: Asked) -> dict[str, Any]:
    """Answer with the jobs, the newest first."""
    query = asked.query
    states = [State(query["state"])] if "state" in query else []
    kind = Kind(query["kind"]) if "kind" in query else None
    jobs = asked.workspace.jobs
    found = jobs.list(query.get("makes", ""), query.get("most", 50), query.get("skip", 0), states, kind)
    return {"jobs": [describe_job(job) for job in found], "count": jobs.count(query.get("makes", ""), states, kind)}


def get_job(asked: Asked) -> Job:
    """Answer with one job; with ``wait``, once it is over, or after so many seconds."""
    number = asked.path["number"]
    jobs = asked.workspace.jobs
    return jobs.wait(number, asked.query["wait"]) if "wait" in asked.query else jobs.get(number)


def get_log(asked: Asked) -> dict[str, Any]:
    """Answer with the last lines of a job's log."""
    job = asked.workspace.jobs.get(asked.path["number"])
    return {"number": job.number, "lines": [*asked.workspace.jobs.read_log(job.number).lines]}


def stop_job(asked: Asked) -> Job:
    """Stop a job."""
    return asked.workspace.jobs.stop(asked.path["number"])


def resume_job(asked: Asked) -> Job:
    """Go on with a job."""
    return asked.workspace.jobs.resume(asked.path["number"])


def run_job_again(asked: Asked) -> Job:
    """Run a job once more."""
    return asked.workspace.jobs.run_again(asked.path["number"])


SCHEMAS = {
    "Jobs": object_of(jobs=array_of(JOB), count={**INTEGER, "description": "How many there are in all."}),
    "JobLog": object_of(number=INTEGER, lines={**array_of(TEXT), "description": "The last ones, for people to read."}),
}

_QUERY = {
    "state": {"type": "string", "enum": [each.value for each in State]},
    "kind": {"type": "string", "enum": [each.value for each in Kind]},
    "makes": TEXT,
    "most": {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50},
    "skip": {"type": "integer", "minimum": 0, "default": 0},
}
_WAIT = {"wait": {"type": "integer", "minimum": 0, "maximum": 60, "description": "Seconds to wait for its end."}}

OPERATIONS = (
    Operation("GET", "/api/jobs", "The jobs, the newest first.", list_jobs, response=ref("Jobs"), query=_QUERY),
    Operation("GET", "/api/jobs/{number:int}", "One job, when it is over if you wait for it.", get_job, query=_WAIT),
    Operation("GET", "/api/jobs/{number:int}/log", "The end of its log.", get_log, response=ref("JobLog")),
    Operation(
        "POST", "/api/jobs/{number:int}/stop", "Stop it, a training with a snapshot; again to kill it.", stop_job
    ),
    Operation("POST", "/api/jobs/{number:int}/resume", "Go on where it was interrupted.", resume_job),
    Operation("POST", "/api/jobs/{number:int}/again", "Do the same once more.", run_job_again),
)
