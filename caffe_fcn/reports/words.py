"""Numbers in the words of pages."""

from __future__ import annotations

import math


def format_number(value: float) -> str:
    """Format a figure with four digits, a large one without decimals; a dash where it is no number."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def format_share(value: float | None) -> str:
    """Format a share from 0 to 1 as a percentage; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.2f} %"


def format_count(number: int, noun: str, plural: str = "") -> str:
    """Format a number of things, with the plural of their noun where there is not one."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
