"""The options of a command in place of the parameters that the library's errors name.

The library writes parameters in backquotes (see `caffe_fcn.errors`). A command whose click parameter has that name
shows it as the user knows it: `size` becomes ``--size``, `net` becomes ``NET``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from caffe_fcn.errors import CaffeFcnError

_OF_OTHER_COMMANDS = {"source": "--source"}
"""Options of commands that an error recommends, whatever command fails."""

_PARAMETER = re.compile(r"`([a-z_]+)`")


def name_options(error: CaffeFcnError, params: Iterable[click.Parameter]) -> None:
    """Replace the parameters that ``error`` names by the command's options."""
    for part in ("where", "what", "mend"):
        setattr(error, part, replace_parameters(getattr(error, part), params))


def replace_parameters(text: str, params: Iterable[click.Parameter]) -> str:
    """Return the text with the command's options for parameters; other names in backquotes lose only these."""
    names = {**_OF_OTHER_COMMANDS, **{str(param.name): _describe(param) for param in params}}
    return _PARAMETER.sub(lambda found: names.get(found[1], found[1]), text)


def _describe(param: click.Parameter) -> str:
    """``--size`` for an option, ``NET`` for an argument."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name.strip("[]")  # of one that may be left out
