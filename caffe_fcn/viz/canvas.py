"""Sheets to draw plots on: one that becomes SVG, and one that becomes PNG."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Protocol

from caffe_fcn.viz.axes import Points

if TYPE_CHECKING:
    from PIL import ImageFont

INK, GRID, GREY = "#2b2f36", "#e4e7eb", "#6b7280"

_DRAWN, _REDUCED = 4, 2  # pixels of a PNG for a unit, while it is drawn and by how much it is reduced then
_SHARES = {"start": 0.0, "middle": 0.5, "end": 1.0}  # of a text that lie before its place


class Canvas(Protocol):
    """What a plot is drawn on; y goes down, colours are ``#rrggbb``, and a text stands on its place."""

    def draw_line(self, points: Points, colour: str, width: float) -> None:
        """Draw a line through the points."""

    def draw_dot(self, x: float, y: float, colour: str, hint: str) -> None:
        """Draw a dot; ``hint`` is what a viewer shows under the pointer, if it can."""

    def draw_box(self, x: float, y: float, width: float, height: float, colour: str, hint: str) -> None:
        """Fill a rectangle whose corner at the top left is given; ``hint`` is as for a dot."""

    def draw_text(
        self, x: float, y: float, text: str, size: int = 14, anchor: str = "start", colour: str = INK
    ) -> None:
        """Write a text that starts, ends or has its middle at ``x``."""

    def render(self) -> bytes:
        """Return the content of the file."""


class SvgCanvas:
    """A canvas that becomes SVG."""

    def __init__(self, width: int, height: int) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="Helvetica, Arial, sans-serif" fill="{INK}">',
            '<rect width="100%" height="100%" fill="white"/>',
        ]

    def draw_line(self, points: Points, colour: str, width: float) -> None:
        if len(points) > 1:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            style = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"'
            self._parts.append(f'<path d="M{path}" {style}/>')

    def draw_dot(self, x: float, y: float, colour: str, hint: str) -> None:
        title = f"<title>{escape(hint)}</title>"
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}">{title}</circle>')

    def draw_box(self, x: float, y: float, width: float, height: float, colour: str, hint: str) -> None:
        title = f"<title>{escape(hint)}</title>"
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self._parts.append(f'<rect {place} fill="{colour}">{title}</rect>')

    def draw_text(
        self, x: float, y: float, text: str, size: int = 14, anchor: str = "start", colour: str = INK
    ) -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"'
        self._parts.append(f"<text {place}>{escape(text)}</text>")

    def render(self) -> bytes:
        return "\n".join([*self._parts, "</svg>\n"]).encode()


class PngCanvas:
    """A canvas that becomes PNG, drawn larger than it is in the end, which makes its lines smooth."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw  # imported where it is needed: commands start faster

        self._image = Image.new("RGB", (width * _DRAWN, height * _DRAWN), "white")
        self._draw = ImageDraw.Draw(self._image)

    def draw_line(self, points: Points, colour: str, width: float) -> None:
        if len(points) > 1:
            places = [(x * _DRAWN, y * _DRAWN) for x, y in points]
            self._draw.line(places, fill=colour, width=max(1, round(width * _DRAWN)), joint="curve")

    def draw_dot(self, x: float, y: float, colour: str, hint: str) -> None:
        box = [(each + side * 3.5) * _DRAWN for side in (-1, 1) for each in (x, y)]
        self._draw.ellipse(box, fill=colour)

    def draw_box(self, x: float, y: float, width: float, height: float, colour: str, hint: str) -> None:
        first, last = (x * _DRAWN, y * _DRAWN), ((x + width) * _DRAWN - 1, (y + height) * _DRAWN - 1)
        self._draw.rectangle([first, last], fill=colour)

    def draw_text(
        self, x: float, y: float, text: str, size: int = 14, anchor: str = "start", colour: str = INK
    ) -> None:
        font = load_font(size * _DRAWN)
        try:
            length = self._draw.textlength(text, font=font)
        except UnicodeEncodeError:  # a Pillow without FreeType knows Latin letters only
            text = text.encode("ascii", "replace").decode()
            length = self._draw.textlength(text, font=font)
        place = (x * _DRAWN - _SHARES[anchor] * length, (y - size) * _DRAWN)
        self._draw.text(place, text, fill=colour, font=font)

    def render(self) -> bytes:
        file = io.BytesIO()
        self._image.reduce(_REDUCED).save(file, "PNG")
        return file.getvalue()


def load_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except TypeError:  # before Pillow 10.1, which has one size only
        return ImageFont.load_default()
