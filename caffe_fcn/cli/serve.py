"""``caffe-fcn serve``: the workspace in a browser."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caffe_fcn import files
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.errors import CaffeFcnError, MissingExtraError
from caffe_fcn.workspace.settings import Settings

if TYPE_CHECKING:
    from caffe_fcn.workspace.web.state import Workspace

_DEMO_FOLDER = "caffe-fcn-demo"


@click.command(cls=Command)
@click.argument("folder", metavar="[DIR]", required=False)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any that is free."
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen at.")
@click.option(
    "--token", metavar="TOKEN", help="What a browser must show (default: none on this machine, else a new one)."
)
@click.option("--allow", multiple=True, metavar="DIR", help="A folder that data may be read from; may be repeated.")
@click.option("--open", "open_browser", is_flag=True, help="Open the workspace in the browser.")
@click.option(
    "--demo", is_flag=True, help="Draw triangles and train a net on them first, in about a minute, once a workspace."
)
def serve(
    folder: str | None, port: int, host: str, token: str | None, allow: tuple[str, ...], open_browser: bool, demo: bool
) -> None:
    """Serve the workspace DIR (default: this folder) to a browser: data sets, nets, trainings, tests.

    Pages show what commands made, and each button runs a command, which the page shows. Trainings go on when the
    server ends, and are found again by the next one. The same is had as JSON under /api.

    With --demo, DIR is made where it is missing (default: caffe-fcn-demo in this folder).
    """
    try:
        from caffe_fcn.workspace.web.server import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("starlette", "uvicorn", "jinja2", "multipart", "python_multipart"):
            raise MissingExtraError("the workspace", "web") from error
        raise
    for each in allow:
        if not Path(each).is_dir():
            raise CaffeFcnError(f"--allow {each}", "is not a folder", "name one that is there")
    root = Path(folder or (_DEMO_FOLDER if demo else "."))
    if demo:
        with files.naming_errors(root):
            root.mkdir(exist_ok=True)
        print_note(f"the demo is in {root}")
    elif not root.is_dir():
        raise CaffeFcnError(str(root), "is not a folder", "make it, or name another one")
    settings = Settings(root, tuple(map(Path, allow)), host, port, token)
    if token is None and not settings.is_local:
        settings = Settings(root, settings.allowed, host, port, secrets.token_urlsafe(24))

    def announce(port: int) -> None:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{port}/" + (f"login?token={settings.token}" if settings.token else "")
        echo(address)
        if not settings.is_local:
            print_note(
                "without TLS, the token and all data can be read on the way: use this in networks that you trust"
            )
        if open_browser:
            click.launch(address)

    def prepare(workspace: Workspace) -> None:
        from caffe_fcn.workspace import demo as triangles

        triangles.submit(workspace.settings, workspace.jobs)

    if demo:
        run(settings, announce, prepare)
    else:
        run(settings, announce)
