"""Breaking statements that are longer than a line, as `ruff format` and `black` break them.

The last bracket of the statement is opened: what is in it goes into a line of its own. Where that is too long as well,
and in lists, each part does, with a comma behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

WIDTH = 120

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_STEP = 4


def write_statement(text: str, indent: int) -> list[str]:
    """Return the lines of a statement that is written in one line; its strings are in double quotes."""
    return list(_break(text, indent, ""))


def _break(text: str, indent: int, end: str) -> Iterator[str]:
    whole = " " * indent + text + end
    opened = _find_last_bracket(text)
    if len(whole) <= WIDTH or opened is None:
        yield whole
        return
    begin, close = opened
    parts = _split(text[begin + 1 : close])
    inner = ", ".join(parts)
    is_call = begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] in "_)]")
    yield " " * indent + text[: begin + 1]
    if is_call and len(inner) + indent + _STEP <= WIDTH:
        yield " " * (indent + _STEP) + inner
    else:
        for part in parts:
            yield from _break(part, indent + _STEP, ",")
    yield " " * indent + text[close:] + end


def _find_last_bracket(text: str) -> tuple[int, int] | None:
    """Where the last bracket that is in no other one begins and ends."""
    found, waiting = None, []
    for place in _find_code(text):
        if text[place] in _PAIRS:
            waiting.append(place)
        elif text[place] in _PAIRS.values():
            begin = waiting.pop()
            if not waiting:
                found = begin, place
    return found


def _split(text: str) -> list[str]:
    """The parts between commas that are in no bracket."""
    parts, depth, begin = [], 0, 0
    for place in _find_code(text):
        depth += (text[place] in _PAIRS) - (text[place] in _PAIRS.values())
        if text[place] == "," and not depth:
            parts.append(text[begin:place].strip())
            begin = place + 1
    return [*parts, text[begin:].strip()]


def _find_code(text: str) -> Iterator[int]:
    """The places of characters that are in no string."""
    inside = False
    for place, character in enumerate(text):
        if character == '"':
            inside = not inside
        elif not inside:
            yield place
