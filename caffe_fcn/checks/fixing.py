"""Edits that mend findings for certain: gathered, shown as a diff, written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from caffe_fcn import files
from caffe_fcn.checks.rule import Edit, Finding
from caffe_fcn.proto.positions import Field


def apply_edits(findings: Iterable[Finding]) -> dict[str, tuple[str, str]]:
    """The text of each file that an edit changes, before and after. Of edits that overlap, the first counts."""
    by_path: dict[str, list[Edit]] = {}
    for finding in findings:
        for edit in finding.edits:
            if edit not in (known := by_path.setdefault(edit.path, [])):
                known.append(edit)
    return {path: _edit_file(path, edits) for path, edits in by_path.items()}


def _edit_file(path: str, edits: list[Edit]) -> tuple[str, str]:
    before = files.read_bytes(path).decode()
    pieces, place = [], 0
    for edit in sorted(edits, key=lambda each: (each.begin, each.end)):
        if edit.begin >= place:
            pieces += [before[place : edit.begin], edit.text]
            place = edit.end
    return before, "".join([*pieces, before[place:]])


def format_diff(changes: Mapping[str, tuple[str, str]]) -> str:
    """The changes as a unified diff."""
    import difflib  # most checks show no diff

    lines: list[str] = []
    for path, texts in changes.items():
        before, after = (text.splitlines(keepends=True) for text in texts)
        lines += difflib.unified_diff(before, after, path, path)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def write_changes(changes: Mapping[str, tuple[str, str]]) -> None:
    """Write each file as it is after its edits."""
    for path, (_, after) in changes.items():
        files.write_text(path, after)


def set_field(path: str, text: str, layer: Field, name: str, value: str) -> Edit:
    """The edit that sets a layer's field ``message.name``, whether the layer has it, its message or neither."""
    message, _, last = name.partition(".")
    if found := layer.find(name):
        return Edit(path, found[0].begin, found[0].end, f"{last}: {value}")
    holders = layer.find(message)
    holder, line = (holders[0], f"{last}: {value}") if holders else (layer, f"{message} {{ {last}: {value} }}")
    inside = holder.fields[-1] if holder.fields else None
    if inside is None:
        return Edit(path, holder.end - 1, holder.end - 1, f" {line} ")
    indent = text[text.rfind("\n", 0, inside.begin) + 1 : inside.begin]
    between = " " if indent.strip() else f"\n{indent}"
    return Edit(path, inside.end, inside.end, f"{between}{line}")
