"""What a notebook shows of the library's objects: by IPython's own formatter, which Jupyter's kernel asks."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from command import ROOT
from PIL import Image
from written_runs import HOSTILE, write_run

from caffe_fcn import NetSpec, layers, load_ipython_extension, netspec, offsets, proto
from caffe_fcn.engines.events import Step
from caffe_fcn.evaluation import Evaluation, Prediction, Scores
from caffe_fcn.inspection import Look
from caffe_fcn.journey import Fit
from caffe_fcn.reports.run import read_run
from caffe_fcn.training import History

IPython = pytest.importorskip("IPython")


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    """An IPython without history or configuration."""
    made = IPython.core.interactiveshell.InteractiveShell()
    load_ipython_extension(made)
    yield made
    made.history_manager.end_session()


def show(shell: Any, value: object) -> dict[str, Any]:
    return dict(shell.display_formatter.format(value)[0])


def read_titles(svg: str) -> list[str]:
    """The names of the layers in the drawing of a net."""
    titles = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")
    return [(each.text or "").split("\n")[0] for each in titles]


def test_a_net_is_drawn(shell: Any) -> None:
    net = netspec.build("voc-fcn-alexnet", phase="deploy")
    shown = show(shell, net)
    assert sorted(read_titles(shown["image/svg+xml"])) == sorted(layer.name for layer in net.layer)
    assert "conv1" in shown["text/plain"]


def test_a_netspec_is_drawn(shell: Any) -> None:
    spec = NetSpec()
    spec.data = layers.Input(shape={"dim": [1, 3, 8, 8]})
    spec.conv = layers.Convolution(spec.data, num_output=2, kernel_size=3)
    assert read_titles(show(shell, spec)["image/svg+xml"]) == ["data", "conv"]


def test_a_net_that_is_no_graph_is_text(shell: Any) -> None:
    net = proto.NetParameter()
    net.layer.add(name="relu", type="ReLU", bottom=["nothing"], top=["x"])
    assert list(show(shell, net)) == ["text/plain"]


def test_an_offset_table_is_a_table(shell: Any) -> None:
    table = offsets.table(netspec.build("voc-fcn-alexnet", phase="deploy"))
    assert isinstance(table, list)
    html = show(shell, table)["text/html"]
    assert html.count("<tr>") == len(table) + 1
    assert "-65" in html  # of conv5, in the published table


def test_a_training_is_its_curves(shell: Any) -> None:
    history = History.from_events([Step(0, 2.0, 0.1, (("loss", 2.0),)), Step(10, 1.0, 0.1, (("loss", 1.0),))])
    svg = ElementTree.fromstring(show(shell, history)["image/svg+xml"])
    texts = [each.text for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"loss", "lr"} <= set(texts)


def test_scores_are_tables(shell: Any) -> None:
    scores = Scores(0.9, 0.8, 0.7, 0.6, [0.5, None], [0.25, None])
    html = show(shell, Evaluation(3, ["road", HOSTILE], scores))["text/html"]
    assert "70.00 %" in html
    assert "25.00 %" in html
    assert "<img" not in html


def test_a_prediction_is_a_picture_beside_its_image(shell: Any) -> None:
    photo = np.full((3, 2, 3), 100, np.uint8)
    label = np.array([[0, 0, 0], [1, 1, 1]], np.uint8)
    pixels = np.asarray(Image.open(io.BytesIO(show(shell, Prediction(photo, label, False))["image/png"])))
    assert pixels[:, :3].tolist() == np.full((2, 3, 3), 100).tolist()
    assert pixels[0, 7].tolist() == [100, 100, 100]  # background: the photo alone
    assert pixels[1, 7].tolist() == [round(0.4 * 100 + 0.6 * 128), 40, 40]
    grey = show(shell, Prediction(photo, np.full((2, 3), 7, np.uint8), True))["image/png"]
    assert np.asarray(Image.open(io.BytesIO(grey)))[0, 7].tolist() == [7, 7, 7]


def test_a_run_shows_its_figures(shell: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for value in (read_run(run), Fit(run, {}, run / "bundle")):
        html = show(shell, value)["text/html"]
        assert "70.00 %" in html
        assert "mean IU" in html
    assert show(shell, Look("net", "weights", []))["text/html"] == ""


def test_importing_the_package_in_ipython_is_enough() -> None:
    script = """
        import IPython
        shell = IPython.core.interactiveshell.InteractiveShell.instance()
        import sys, caffe_fcn
        assert "caffe_fcn.viz" not in sys.modules
        from caffe_fcn import netspec
        shown = shell.display_formatter.format(netspec.build("m2nist-fcn", phase="deploy"))[0]
        assert shown["image/svg+xml"].startswith("<svg"), shown
    """
    code = "\n".join(line.strip() for line in script.splitlines())
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_importing_the_package_alone_imports_no_page() -> None:
    code = "import sys, caffe_fcn; assert not {'IPython', 'caffe_fcn.viz', 'caffe_fcn.pages'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
