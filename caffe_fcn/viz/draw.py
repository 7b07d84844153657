"""A net's topology as a picture: SVG and PNG through Graphviz, its DOT, or a page for the browser.

| suffix | what it is | needs |
|---|---|---|
| ``.html`` | a page to pan, zoom and click in, with everything in one file (see `page`) | nothing |
| ``.dot``, ``.gv`` | the graph in Graphviz's language | nothing |
| ``.svg``, ``.png`` | the graph laid out by Graphviz | its program ``dot`` |
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.files import atomic_write
from caffe_fcn.net.layer_types import DataShapes, Role
from caffe_fcn.proto import NetParameter
from caffe_fcn.viz.page import render_page
from caffe_fcn.viz.topology import Box, Topology, topology


def draw(
    net: NetParameter,
    target: str | os.PathLike[str],
    phase: str | None = None,
    stages: Iterable[str] = (),
    size: tuple[int, int] | None = None,
    data_shapes: DataShapes | None = None,
) -> list[str]:
    """Write the picture that ``target``'s suffix names; returns why shapes or offsets are not in it, if so.

    The other arguments are those of `shapes.infer`. Raises `NetError` for a net that is not a graph, `FileError`,
    and `CaffeFcnError` where Graphviz is needed and missing.
    """
    suffix = Path(target).suffix.lower()
    if suffix not in _FORMATS:
        raise CaffeFcnError(target, f"no picture has the suffix '{suffix}'", f"one of {', '.join(_FORMATS)} has")
    picture = topology(net, phase, stages, size, data_shapes)
    content = _FORMATS[suffix](picture, target)
    with atomic_write(target) as file:
        file.write(content)
    return picture.unknown


def dot(picture: Topology) -> str:
    """The graph in Graphviz's language."""
    lines = [
        "digraph net {",
        f"  label={_quote(picture.name)} labelloc=t",
        '  graph [fontname="Helvetica" nodesep=0.3 ranksep=0.4]',
        '  node [fontname="Helvetica" fontsize=11 shape=box style="rounded,filled" color="#00000033"]',
        '  edge [fontname="Helvetica" fontsize=9 color="#667788" fontcolor="#667788" arrowsize=0.6]',
    ]
    for index, box in enumerate(picture.boxes):
        colour = COLOURS[box.cards[0].role]
        lines.append(f'  n{index} [label={_quote(_format_label(box))} fillcolor="{colour}"]')
    for line in picture.lines:
        source = picture.boxes[line.source].cards[0].name
        label = "\n".join(shape if name == source else f"{name} {shape}" for name, shape in line.blobs)
        lines.append(f"  n{line.source} -> n{line.target} [label={_quote(label)}]")
    return "\n".join([*lines, "}\n"])


COLOURS: dict[Role, str] = {
    "data": "#e3e7ee",
    "convolution": "#b9d6f7",
    "upsampling": "#d3c6f5",
    "dense": "#f7c9b0",
    "pooling": "#bfe6c4",
    "normalization": "#d9ecec",
    "activation": "#f6e6a9",
    "joining": "#f3cfe3",
    "loss": "#f5b9b9",
    "other": "#ffffff",
}


def _format_label(box: Box) -> str:
    first, *others = box.cards
    title = [first.name, f"{first.type} {first.facts}".strip()]
    return "\n".join([*title, *(f"{card.name}: {card.type} {card.facts}".strip() for card in others)])


def _quote(text: str) -> str:
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("\n", "\\n")):
        text = text.replace(character, escape)
    return f'"{text}"'


def _graphviz(kind: str) -> Callable[[Topology, object], bytes]:
    def render(picture: Topology, target: object) -> bytes:
        try:
            done = subprocess.run(["dot", f"-T{kind}"], input=dot(picture).encode(), capture_output=True, check=False)
        except FileNotFoundError as error:
            raise CaffeFcnError(
                target, f"a .{kind} needs Graphviz's 'dot', which is not installed", _how_to_install()
            ) from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().split("\n")[0]
            raise CaffeFcnError(target, f"Graphviz failed: {said or f'status {done.returncode}'}", "try .html or .dot")
        return done.stdout

    return render


def _how_to_install() -> str:
    command = {"darwin": "brew install graphviz", "win32": "winget install graphviz"}.get(sys.platform)
    return f"{command or 'apt-get install graphviz'}, or name an .html or .dot file"


_FORMATS: dict[str, Callable[[Topology, object], bytes]] = {
    ".html": lambda picture, target: render_page(picture).encode(),
    ".svg": _graphviz("svg"),
    ".png": _graphviz("png"),
    ".dot": lambda picture, target: dot(picture).encode(),
    ".gv": lambda picture, target: dot(picture).encode(),
}
