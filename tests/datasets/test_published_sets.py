"""The table of published data sets: its rows hold together, and it runs in the old Pythons of pycaffe."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from caffe_fcn.datasets.formats import voc
from caffe_fcn.datasets.reference_layers import decoders, published_sets
from caffe_fcn.datasets.reference_layers.published_sets import LAYERS, SETS

FOLDER = Path(published_sets.__file__).parent


@pytest.mark.parametrize("name", LAYERS)
def test_what_a_layer_names_exists(name: str) -> None:
    layer = LAYERS[name]
    assert {top.decoder for top in layer.tops.values()} <= decoders.DECODERS.keys()
    assert {layer.table} - {""} <= decoders.TABLES.keys()
    assert all(top.mean for top in layer.tops.values() if top.kind != "label")
    assert {top for top, facts in layer.tops.items() if facts.kind == "label"} == SETS[name].classes.keys()
    assert layer.name in (FOLDER / f"{layer.module}.py").read_text()


@pytest.mark.parametrize("name", [name for name, row in SETS.items() if row.palette])
def test_every_class_has_a_colour_of_its_own(name: str) -> None:
    (classes,) = SETS[name].classes.values()
    colours = SETS[name].palette[: len(classes)]
    assert len(set(colours)) == len(classes) == len(set(classes))


def test_validation_on_voc_is_on_as_many_images_as_seg11valid_lists() -> None:
    names = Path(voc.__file__).with_name("seg11valid.txt").read_text().split()
    assert SETS["voc"].readers[1] == ("voc", voc.SEG11VALID)
    assert SETS["voc"].counts[1] == len(names) == 736


@pytest.mark.parametrize("module", sorted(path.name for path in FOLDER.glob("*.py")))
def test_the_modules_of_the_folder_are_python_3_6(module: str) -> None:
    ast.parse((FOLDER / module).read_text(), feature_version=(3, 6))


def test_the_folder_alone_on_the_path_suffices(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import voc_layers as v; print(v.VOCSegDataLayer.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.stdout, done.stderr) == ("SegDataLayer\n", "")


def test_the_table_imports_nothing_but_typing() -> None:
    tree = ast.parse(Path(published_sets.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"typing"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
