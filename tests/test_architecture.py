"""The floors of docs/architecture.md hold: no room imports from a floor above it, and the page names what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from command import ROOT

PACKAGE = ROOT / "caffe_fcn"
DOCS = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
FLOORS = {
    room: int(floor)
    for floor, room in re.findall(r"^\| (\d) \| `(\w+)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    """The modules of this package that a module imports, wherever in it."""
    known = {name for name, _ in modules()}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "caffe_fcn":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_room_has_a_floor() -> None:
    rooms = {room(name) for name, _ in modules()} - {"", "__main__"}
    assert rooms == FLOORS.keys()


def test_no_room_imports_from_a_floor_above_it() -> None:
    upwards = [
        f"{name} imports {other}"
        for name, path in modules()
        for other in imports(path)
        if room(name) in FLOORS and room(other) in FLOORS and FLOORS[room(other)] > FLOORS[room(name)]
    ]
    assert not upwards


def test_no_circle_of_rooms() -> None:
    """Rooms of one floor may import each other, but not in a circle."""
    edges: dict[str, set[str]] = {}
    for name, path in modules():
        for other in imports(path):
            if room(other) and room(name) and room(other) != room(name):
                edges.setdefault(room(name), set()).add(room(other))

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for each in edges.get(waiting.pop(), set()) - seen:
                seen.add(each)
                waiting.append(each)
        return seen

    assert [each for each in edges if each in reachable(each)] == []


def test_the_parts_of_datasets_import_only_those_below_them() -> None:
    parts = ["reference_layers", "records", "inspect", "build", "formats"]
    floors = {f"caffe_fcn.datasets.{part}": floor for floor, part in enumerate(parts)}

    def floor(module: str) -> int | None:
        return floors.get(".".join(module.split(".")[:3]))

    upwards = [
        f"{name} imports {other}"
        for name, path in modules()
        for other in imports(path)
        if (own := floor(name)) is not None and (others := floor(other)) is not None and others > own
    ]
    assert not upwards


def test_only_the_application_knows_the_pages_of_the_workspace() -> None:
    """The API, the forms and the jobs stand beside the pages, on what both share."""
    pages = "caffe_fcn.workspace.pages"
    users = {name for name, path in modules() if not name.startswith(pages) and any(map(_within(pages), imports(path)))}
    assert users == {"caffe_fcn.workspace.web.app"}


def _within(package: str) -> Callable[[str], bool]:
    return lambda module: f"{module}.".startswith(f"{package}.")


@pytest.mark.parametrize("page", DOCS, ids=lambda path: path.name)
def test_links_and_paths_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"`((?:caffe_fcn|tests|docs|scripts|examples|benchmarks)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_map_names_what_exists() -> None:
    for name in re.findall(r"`([a-z_]+\.[\w.]+)`", (ROOT / "docs/architecture.md").read_text()):
        if name.split(".")[0] not in FLOORS:
            continue
        found = import_module("caffe_fcn")
        for part in name.split("."):
            found = getattr(found, part, None) or import_module(f"{found.__name__}.{part}")


@pytest.mark.parametrize("extra", ["torch", "h5py"])
def test_what_an_extra_installs_is_imported_somewhere(extra: str) -> None:
    assert any(re.search(rf"^\s*(import|from) {extra}\b", path.read_text(), re.MULTILINE) for _, path in modules())
