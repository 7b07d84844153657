"""The curves of one or more trainings in one picture: SVG, PNG, or a page for the browser.

Each figure has a panel: the loss, each output, the learning rate. Training is a line, its running mean bold over the
values themselves; a test is a line with dots. One training has a colour for each of both, several have one each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.files import PathLike
from caffe_fcn.pages.markup import Markup
from caffe_fcn.pages.skeleton import render_page
from caffe_fcn.training import History
from caffe_fcn.training.curves import LOSS, RATE, Curve, list_curves
from caffe_fcn.viz.axes import Axis, Points, average_exponentially, format_tick, keep_finite
from caffe_fcn.viz.canvas import GREY, GRID, INK, Canvas, PngCanvas, SvgCanvas

_COLOURS = ("#1c5aa6", "#d9622b", "#2a8f57", "#8e44ad", "#a67c00", "#c2185b", "#00838f", "#5d4037")
_WIDTH, _PANEL_HEIGHT, _HEAD, _ROW = 960, 330, 16, 22
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 44, 48  # margins of a panel
_MOST_PANELS, _MOST_POINTS, _LONGEST = 24, 2000, 100


@dataclass
class Panel:
    """The curves of one figure, each with the number of its training."""

    title: str
    curves: list[tuple[int, Curve]] = field(default_factory=list)


def arrange_panels(histories: Sequence[History]) -> list[Panel]:
    """Return the panels, the loss first and the learning rate last.

    The only output of a training net is its loss, whatever its name is. Tests of it are in the panel of the loss.
    """
    panels: dict[str, Panel] = {}
    for number, history in enumerate(histories):
        names = {name for step in history.steps for name, _ in step.outputs}
        for curve in list_curves(history):
            is_loss = names == {curve.name}
            if is_loss and curve.net is None and curve.name != curve.label:
                continue  # the displayed loss is its mean
            title = LOSS if is_loss else curve.name
            panels.setdefault(title, Panel(title)).curves.append((number, curve))
    order = {LOSS: 0, RATE: 2}
    return sorted(panels.values(), key=lambda panel: order.get(panel.title, 1))


def write_curves(runs: Mapping[str, History], target: PathLike, only: Collection[str] = ()) -> int:
    """Write the picture that the suffix of ``target`` names; returns how many panels were too many for it.

    ``runs`` has a name for each history. Raises `FileError`, and `CaffeFcnError` for an unknown suffix or figure.
    """
    suffix = Path(target).suffix.lower()
    if suffix not in _FORMATS:
        raise CaffeFcnError(target, f"no picture has the suffix '{suffix}'", f"one of {', '.join(_FORMATS)} has")
    panels = arrange_panels(list(runs.values()))
    known = [panel.title for panel in panels]
    for name in only:
        if name not in known:
            raise CaffeFcnError(", ".join(runs), f"no figure is called {name!r}", f"`only` takes {', '.join(known)}")
    panels = [panel for panel in panels if not only or panel.title in only]
    content = _FORMATS[suffix]([_printable(name) for name in runs], panels[:_MOST_PANELS])
    with files.atomic_write(target) as file:
        file.write(content)
    return max(0, len(panels) - _MOST_PANELS)


def draw_curves(history: History, name: str = "") -> str:
    """Draw all figures of a training as one SVG, on white; ``name`` is its title."""
    return _draw([_printable(name)], arrange_panels([history])[:_MOST_PANELS], SvgCanvas).decode()


def draw_panels(history: History) -> list[tuple[str, Markup]]:
    """Draw each figure of a training as an SVG of its own, in the colours of the theme of the page that it is for.

    Returns the names of the figures with the drawings; tests and scores are lines with dots.
    """
    return draw_comparison({"training": history})


def draw_comparison(runs: Mapping[str, History]) -> list[tuple[str, Markup]]:
    """Draw each figure of several trainings as an SVG of its own, as `draw_panels` does, a colour for each training."""
    drawn = []
    for panel in arrange_panels(list(runs.values()))[:_MOST_PANELS]:
        canvas = SvgCanvas(_WIDTH // 2, _PANEL_HEIGHT)
        _PanelDrawing(canvas, panel, 0, 0, _WIDTH // 2, [_printable(name) for name in runs]).draw()
        drawn.append((panel.title, _use_theme(canvas.render().decode(), panel.title)))
    return drawn


def _use_theme(svg: str, title: str) -> Markup:
    """Replace the colours of a drawing by those of a page's theme, and its background by none."""
    for colour, name in _THEME.items():
        svg = svg.replace(f'"{colour}"', f'"{name}"')
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(_printable(title))}" class="curves" ', 1))


def _draw(names: Sequence[str], panels: Sequence[Panel], make_canvas: Callable[[int, int], Canvas]) -> bytes:
    several = len(names) > 1
    rows = len(names) + 1 if several else 1
    columns = min(2, len(panels)) or 1
    top = _HEAD + rows * _ROW
    canvas = make_canvas(_WIDTH, top + -(-len(panels) // columns) * _PANEL_HEIGHT)
    _draw_legend(canvas, names)
    width = _WIDTH // columns
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        _PanelDrawing(canvas, panel, column * width, top + row * _PANEL_HEIGHT, width, names).draw()
    return canvas.render()


def _draw_legend(canvas: Canvas, names: Sequence[str]) -> None:
    """Write the names of the trainings with their colours, and how training and tests are told apart."""
    several = len(names) > 1
    if several:
        for number, name in enumerate(names):
            y = _HEAD + (number + 1) * _ROW
            canvas.draw_line([(24, y - 5), (48, y - 5)], _choose_colour(number), 4)
            canvas.draw_text(58, y, name)
    else:
        canvas.draw_text(24, _HEAD + _ROW, names[0] if names else "", size=18)
    y = _HEAD + _ROW
    for x, kind in ((_WIDTH - 220, "training"), (_WIDTH - 110, "test")):
        colour = INK if several else _COLOURS[kind == "test"]
        canvas.draw_line([(x - 30, y - 5), (x - 8, y - 5)], colour, 2.4 if kind == "training" else 1.6)
        if kind == "test":
            canvas.draw_dot(x - 19, y - 5, colour, "")
        canvas.draw_text(x, y, kind)


class _PanelDrawing:
    """Draws a panel with its axes into a part of a canvas."""

    def __init__(self, canvas: Canvas, panel: Panel, left: int, top: int, width: int, names: Sequence[str]) -> None:
        self._canvas, self._panel, self._names = canvas, panel, names
        self._left, self._right = left + _LEFT, left + width - _RIGHT
        self._top, self._foot = top + _TOP, top + _PANEL_HEIGHT - _BOTTOM
        self._points = [_thin(keep_finite(curve.points)) for _, curve in panel.curves]
        shown = [point for points in self._points for point in points] or [(0, 0)]
        values = [value for _, value in shown]
        self._x = Axis(0, max(iteration for iteration, _ in shown), self._left, self._right)
        may_be_log = panel.title in (LOSS, RATE)
        self._y = Axis(min(values), max(values), self._foot, self._top, may_be_log)

    def draw(self) -> None:
        self._draw_axes()
        for (number, curve), points in zip(self._panel.curves, self._points, strict=True):
            if curve.net is not None:
                self._draw_tests(number, curve, points)
            elif curve.name == RATE:
                self._canvas.draw_line(self._place(points), _choose_colour(number), 2)
            else:
                colour = _choose_colour(number)
                self._canvas.draw_line(self._place(points), _lighten(colour), 1.2)
                self._canvas.draw_line(self._place(average_exponentially(points)), colour, 2.4)

    def _draw_tests(self, number: int, curve: Curve, points: Points) -> None:
        colour = _choose_colour(number if len(self._names) > 1 else 1)
        places = self._place(points)
        self._canvas.draw_line(places, colour, 1.6)
        for (x, y), (iteration, value) in zip(places, points, strict=True):
            hint = f"{self._names[number]}: {_printable(curve.label)} {value:g} at iteration {iteration}"
            self._canvas.draw_dot(x, y, colour, hint)

    def _draw_axes(self) -> None:
        canvas, x, y = self._canvas, self._x, self._y
        canvas.draw_text(self._left, self._top - 14, _printable(self._panel.title), size=16)
        lost = sum(len(curve.points) > len(keep_finite(curve.points)) for _, curve in self._panel.curves)
        if lost:
            canvas.draw_text(self._right, self._top - 14, "diverged: not finite in places", 13, "end", _COLOURS[1])
        for tick in y.ticks:
            canvas.draw_line([(self._left, y(tick)), (self._right, y(tick))], GRID, 1)
            canvas.draw_text(self._left - 8, y(tick) + 4, format_tick(tick), 12, "end", GREY)
        canvas.draw_line([(self._left, self._foot), (self._right, self._foot)], INK, 1)
        for tick in x.ticks:
            canvas.draw_line([(x(tick), self._foot), (x(tick), self._foot + 5)], INK, 1)
            canvas.draw_text(x(tick), self._foot + 20, format_tick(tick), 12, "middle", GREY)
        canvas.draw_text((self._left + self._right) / 2, self._foot + 38, "iteration", 12, "middle", GREY)

    def _place(self, points: Points) -> list[tuple[float, float]]:
        return [(self._x(iteration), self._y(value)) for iteration, value in points]


def _render_page(names: Sequence[str], panels: Sequence[Panel]) -> bytes:
    title = ", ".join(names)
    picture = _use_theme(_draw(names, panels, SvgCanvas).decode(), title)
    return render_page(title, _PAGE, picture=picture).encode()


def _choose_colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _lighten(colour: str) -> str:
    """Mix a colour with white."""
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(part * 0.35 + 255 * 0.65):02x}" for part in parts)


def _thin(points: Points) -> Points:
    """Return evenly spaced points where there are more than a picture can show, and the last one."""
    step = -(-len(points) // _MOST_POINTS)
    return [*points[:-1:step], *points[-1:]] if step > 1 else points


def _printable(text: str) -> str:
    """Replace characters that a document cannot hold, and cut off what is too long."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."


_PAGE = """<style>
  h1 { width: 912px; max-width: calc(100% - 32px); margin: 20px auto 0; font-size: 18px; }
  svg { display: block; width: 960px; max-width: 100%; height: auto; margin: auto; }
</style>
<main><h1>Curves</h1>{{picture}}</main>
"""

_THEME = {
    "white": "none",
    INK: "var(--ink)",
    GRID: "var(--grid)",
    GREY: "var(--soft)",
    **{colour: f"var(--series-{place})" for place, colour in enumerate(_COLOURS)},
    **{
        _lighten(colour): f"color-mix(in srgb, var(--series-{place}) 35%, transparent)"
        for place, colour in enumerate(_COLOURS)
    },
}
"""Colours of drawings, and what takes their place in a page."""

_FORMATS: dict[str, Callable[[Sequence[str], Sequence[Panel]], bytes]] = {
    ".svg": lambda names, panels: _draw(names, panels, SvgCanvas),
    ".png": lambda names, panels: _draw(names, panels, PngCanvas),
    ".html": _render_page,
}
