"""Templates: pages whose every text is escaped."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from caffe_fcn.workspace.web.state import find_workspace

_FOLDER = Path(__file__).parent.parent / "templates"

SECTIONS = (
    ("/", "Overview"),
    ("/datasets", "Data sets"),
    ("/nets", "Nets"),
    ("/runs", "Trainings"),
    ("/test", "Testing"),
    ("/jobs", "Jobs"),
)
"""The pages that every page leads to, with their names."""


@lru_cache(maxsize=1)
def make_environment() -> Environment:
    """Make the environment of all templates: texts are escaped, and a name that nothing says is an error."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(bytes=format_bytes, ago=format_ago, duration=format_duration, count=format_count)
    environment.globals.update(sections=SECTIONS)
    return environment


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template as a page; ``csrf``, ``path`` and ``workspace`` are known to each."""
    return HTMLResponse(render_fragment(request, template, **context), status)


def render_fragment(request: Request, template: str, **context: Any) -> str:
    """Render a template to text: a page, or a part of one."""
    common = {
        "csrf": request.state.csrf,
        "path": request.url.path,
        "workspace": find_workspace(request).settings.root.resolve().name,
    }
    return make_environment().get_template(template).render(**common, **context)


def format_bytes(size: int) -> str:
    """Format a number of bytes: 12 B, 3.4 kB, 512 MB."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """Format seconds: 4 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def format_ago(moment: float) -> str:
    """Format a time since 1970 by how long it is past."""
    seconds = time.time() - moment
    return "just now" if seconds < 5 else f"{format_duration(seconds)} ago"


def format_count(number: int) -> str:
    """Format a number with separators of thousands."""
    return f"{number:,}"
