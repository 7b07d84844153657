"""Tables for people: aligned columns of plain text, a row a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from caffe_fcn.cli.printing import echo, printable


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Lay out rows under a header (bold on a terminal); the columns numbered in ``right`` are aligned right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join([click.style(line(header), bold=True), *map(line, cells)])


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> None:
    """Print a table to stdout; see `format_table`."""
    echo(format_table(header, rows, right))


def format_count(count: float) -> str:
    """Format a count with three digits and a unit: 58704590 -> 58.7 M."""
    for unit in ("", " k", " M", " G", " T"):
        if abs(count) < 1000 or unit == " T":
            return f"{count:.0f}" if not unit else f"{count:.3g}{unit}"
        count /= 1000
    return ""
