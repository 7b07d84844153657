"""The page of each rule, and docs/checks.md, which has them all."""

from __future__ import annotations

import textwrap

from caffe_fcn.checks.rule import HERE, Level, Rule
from caffe_fcn.checks.table import RULES

_WIDTH = 118


def format_page(rule: Rule, depth: int = 1) -> str:
    """The page of a rule as Markdown, under a header of a depth."""
    lines = [
        f"{'#' * depth} {rule.code} {rule.name}",
        "",
        f"*{rule.level.value}*: {rule.line}.",
        "",
        textwrap.fill(rule.why, _WIDTH),
        "",
    ]
    if rule.example.given.get("swap"):
        lines += ["Fires, where the two files are given in the place of one another, on", ""]
    elif rule.example.given:
        given = ", ".join(f"`{name}`: {_show(value)}" for name, value in rule.example.given.items())
        lines += [f"Fires, with {given}, on", ""]
    else:
        lines += ["Fires on", ""]
    for name, text in rule.example.texts(mended=False).items():
        lines += [f"`{name}`", "", "```", text.rstrip(), "```", ""]
    wrong, right = rule.example.wrong.strip(), rule.example.right.strip()
    if wrong and right:
        lines += ["and not with", "", "```", right, "```", "", "in place of", "", "```", wrong, "```", ""]
    elif right:
        lines += [_show_place(rule), "", "```", right, "```", ""]
    elif wrong:
        lines += ["and not without", "", "```", wrong, "```", ""]
    return "\n".join(lines)


def _show(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _show_place(rule: Rule) -> str:
    for name, text in rule.example.files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if HERE in line:
                return f"and not where line {number} of `{name}` also has"
    return "and not with"


_HEAD = """\
# Rules of `caffe-fcn check`

This page is generated from the rules (`python scripts/checks_page.py`).

`caffe-fcn check NET` finds what will go wrong with a net before it does; with its weights, its data set and its solver
it finds more. A rule is an error (the run will fail, or its result will be wrong), a warning (it goes wrong unless
somebody meant it so) or a hint. Only errors make the exit status 1, or stop a training.

In the examples a weights file is a list of parameters (layer, shape, values), and a data set a list of its records
(split, the classes of the label).

"""


def format_all() -> str:
    """The text of docs/checks.md."""
    rows = [f"| [{rule.code}](#{rule.code.lower()}-{rule.name}) | {rule.level.value} | {rule.line} |" for rule in RULES]
    table = ["| rule | level | finds |", "|---|---|---|", *rows, ""]
    levels = ", ".join(f"{sum(rule.level is level for rule in RULES)} {level.value}s" for level in Level)
    head = f"{_HEAD}{len(RULES)} rules: {levels}.\n\n"
    return head + "\n".join(table) + "\n" + "\n".join(format_page(rule, depth=2) for rule in RULES)
