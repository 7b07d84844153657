"""Tables for people: columns aligned, right for figures, plain text that also greps well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from caffe_fcn.cli.printing import echo, printable


def table(header: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Rows under a header; the columns in ``right`` are set flush right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join([click.style(line(header), bold=True), *map(line, cells)])


def show(header: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> None:
    """Print a table to stdout (the header in bold on a terminal)."""
    echo(table(header, rows, right))


def size(text: float) -> str:
    """A count in units: 58704590 -> 58.7 M."""
    for unit in ("", " k", " M", " G", " T"):
        if abs(text) < 1000 or unit == " T":
            return f"{text:.0f}" if not unit else f"{text:.3g}{unit}"
        text /= 1000
    return ""
