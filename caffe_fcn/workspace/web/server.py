"""Serve a workspace until the process is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.locking import lock_workspace
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.web.app import make_app
from caffe_fcn.workspace.web.live import Hub
from caffe_fcn.workspace.web.state import Workspace


def serve(
    settings: Settings,
    ready: Callable[[int], None] = lambda port: None,
    prepare: Callable[[Workspace], object] = lambda workspace: None,
) -> None:
    """Serve a workspace; ``ready`` is called with the port when it can be connected to, ``prepare`` before that.

    Jobs that run go on when the server ends. Raises `CaffeFcnError` where the address cannot be had, or the
    workspace is served already.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # By its protocol asyncio knows that answers must not wait for acknowledgements (TCP_NODELAY): 40 ms each.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise CaffeFcnError(
            f"{settings.host}:{settings.port}", reason.lower(), "choose another `port` or `host`"
        ) from error
    address = listener.getsockname()
    with listener, lock_workspace(settings, f"http://{_spell_host(settings.host)}:{address[1]}/"):
        app = make_app(settings)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        prepare(app.state.workspace)
        ready(address[1])
        _Server(config, app.state.live).run(sockets=[listener])


def _spell_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Server(uvicorn.Server):
    """Ends the live parts of pages first, which would otherwise keep it from ending."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.close()
        await super().shutdown(sockets)
