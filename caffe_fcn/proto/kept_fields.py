"""Fields that the schema does not have, kept as their text in the message that has them.

Every message has a field of ours, ``kept_fields``: a list of texts such as ``colour: 3`` or ``style { bold: true }``.
It is copied, compared and stored with the message. In a prototxt its texts stand as they were read.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Any

from caffe_fcn.proto.schema import Message

NAME = "kept_fields"


def keep_field(message: Message, text: str) -> None:
    """Add a field to those that ``message`` keeps; ``text`` is the whole field, as it stands in a prototxt."""
    first, *rest = text.splitlines()
    kept: Any = message
    kept.kept_fields.append("\n".join([first, *textwrap.dedent("\n".join(rest)).splitlines()]))


def kept_name(text: str) -> str:
    """The name of a kept field.

    >>> kept_name("style { bold: true }")
    'style'
    """
    return re.split(r"[\s:{<#]", text, maxsplit=1)[0]


def kept_values(message: Message, name: str) -> list[str]:
    """The values, as text, of the kept fields of this name that are no messages.

    >>> from caffe_fcn.proto.schema import NetParameter
    >>> kept_values(NetParameter(kept_fields=["shade: 3", "style { bold: true }", "shade: [4, 5]"]), "shade")
    ['3', '4', '5']
    """
    kept: Any = message
    found = (text[len(name) :].partition(":")[2].strip("[] \n") for text in kept.kept_fields if kept_name(text) == name)
    return [value.strip(" \"'") for values in found for value in values.split(",") if value.strip()]


def write_out(prototxt: str, is_field: Callable[[str], bool]) -> str:
    """A prototxt as protobuf writes it, with each kept field in place of the string that holds it.

    A string that is not a field, as ``is_field`` says, stays a string.

    >>> print(write_out('layer {\\n  kept_fields: "style {\\\\n  bold: true\\\\n}"\\n}', bool))
    layer {
      style {
        bold: true
      }
    }
    """
    from google.protobuf import text_encoding

    def write_field(match: re.Match[str]) -> str:
        text = text_encoding.CUnescape(match[2]).decode(errors="replace")
        return textwrap.indent(text, match[1]) if is_field(text) else match[0]

    return _LINE.sub(write_field, prototxt) if NAME in prototxt else prototxt


_LINE = re.compile(rf'^( *){NAME}: "((?:[^"\\\n]|\\.)*)"$', re.MULTILINE)
