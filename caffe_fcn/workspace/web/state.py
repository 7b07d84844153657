"""What all requests share: the settings, the queue of jobs, the indices of data sets, the secret of the forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from caffe_fcn.workspace.settings import Settings

if TYPE_CHECKING:
    from caffe_fcn.workspace.explorer.index import Indexer
    from caffe_fcn.workspace.jobs.queue import Jobs


@dataclass(frozen=True)
class Workspace:
    """A workspace that is being served."""

    settings: Settings
    jobs: Jobs
    indexer: Indexer
    secret: bytes
    """What the tokens of forms are made with; kept in the workspace, so that forms outlive the server."""


def find_workspace(request: Request) -> Workspace:
    """Return the workspace that a request is for."""
    workspace: Workspace = request.app.state.workspace
    return workspace
