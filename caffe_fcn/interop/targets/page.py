"""docs/targets.md: every target with its layer types, its bounds and their sources, written from the tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from caffe_fcn.interop.targets.table import Source, Target, Types, list_targets

_WIDTH = 118
_HEAD = """\
# Programs and devices that take Caffe's nets

This page is generated from the tables in `caffe_fcn/interop/targets` (`python scripts/targets_page.py`).

```sh
caffe-fcn check deploy.prototxt --target ascend         # what it refuses, with line and source
caffe-fcn export bundle run -o bundle --target ncnn     # rewritten where that computes the same
```

Every row stands on a public source, named below it. What no public source says is in no table: a net without findings
may still be refused. Of targets whose list of types is known in part, only what is listed is checked. *Refused* and
*wrong* are errors of `caffe-fcn check`, and make the exit status of `export bundle` 1; the bundle is written
nevertheless, and its card says what stays. What is rewritten stands in [bundles.md](bundles.md#targets).

"""
_KNOWN = {
    Types.ALL: "All layer types that it takes are known",
    Types.FORKS: "Of the types that BVLC's Caffe does not have, those that it takes are known",
    Types.SOME: "Some of the layer types that it takes are known",
}


def format_page() -> str:
    """The text of docs/targets.md."""
    return _HEAD + "\n".join(part for target in list_targets() for part in _format_target(target))


def _format_target(target: Target) -> Iterator[str]:
    yield f"## {target.name}\n\n{target.title}. {_KNOWN[target.types]}:\n"
    yield textwrap.fill(", ".join(target.layer_types) + ".", _WIDTH, break_on_hyphens=False) + "\n"
    if target.custom:
        yield f"Other layers become `{target.custom}` layers, which say the shapes of their blobs.\n"
    if target.bounds:
        yield "| layer | figure | taken | otherwise | source |\n|---|---|---|---|---|"
        for bound in target.bounds:
            figure = bound.figure.replace("_", " ") if "." not in bound.figure else f"`{bound.figure}`"
            taken = bound.values.text.replace(",", ", ")
            yield f"| {bound.layer_type} | {figure} | {taken} | {bound.otherwise.value} | {bound.source.name} |"
        yield ""
    yield "".join(f"- {source.name}: {source.where}\n" for source in _list_sources(target))


def _list_sources(target: Target) -> list[Source]:
    return list(dict.fromkeys([*(bound.source for bound in target.bounds), *target.layer_types.values()]))
