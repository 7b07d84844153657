"""The PASCAL VOC tutorial by the pages alone, on copies of one of its images, small."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import saved_weights
from PIL import Image
from workspace.walk import Walk

from caffe_fcn import netspec
from caffe_fcn.proto import NetParameter

COPIES = 5


def test_pascal_voc(walk: Callable[[], Walk], shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "models"))
    for kind, suffix in (("images", ".jpg"), ("labels", ".png")):
        (tmp_path / kind).mkdir()
        source = shared / "data/voc-demo" / ("image.jpg" if kind == "images" else "label.png")
        for number in range(COPIES):
            shutil.copyfile(source, tmp_path / kind / f"{number}{suffix}")
    first = write_weights(tmp_path / "mine.caffemodel")

    at = walk()
    at.go("/datasets/new")
    at.page.locator("input[name=images]").set_input_files(sorted((tmp_path / "images").iterdir()))
    at.page.locator("input[name=labels]").set_input_files(sorted((tmp_path / "labels").iterdir()))
    at.fill(name="voc")
    at.press("Upload")
    at.arrive("/datasets/new?kind=folder**")
    at.fill(name="voc", classes=21, resize="64x96", images_as="png")
    at.press("Preview")
    at.page.get_by_role("heading", name="Preview", exact=True).wait_for()
    at.check()
    at.press("Build")
    at.arrive_at_dataset("voc")
    at.check()

    at.go("/models")
    at.page.locator("input[name=upload]").set_input_files(tmp_path / "mine.caffemodel")
    at.fill(name="mine")
    at.press("Keep them")
    at.page.get_by_role("rowheader", name="mine", exact=True).wait_for()
    at.check()

    at.go("/runs/new")
    at.fill(name="voc", net="voc-fcn8s-squeezenet", source="datasets/voc", weights="mine", surgery="names")
    at.fill(engine="torch", epochs=2.5, base_lr="1e-12")
    at.press("Train")
    at.arrive("/runs/view/runs/voc**")
    at.page.locator("#run-state .done").wait_for()
    assert "10 of 10" in at.page.inner_text("main")
    at.check()
    (snapshot,) = (at.folder / "runs/voc/snapshot").glob("train_iter_10.caffemodel")
    np.testing.assert_allclose(
        saved_weights.load(snapshot)["conv1"][0], first, atol=1e-6
    )  # as uploaded: it learns little

    at.click("Test it")
    at.arrive("/test/new**")
    at.page.locator("input[name=images]").set_input_files(tmp_path / "images/0.jpg")
    at.fill(engine="torch")
    at.press("Run")
    at.arrive("/test/view/0001**")
    size = Image.open(tmp_path / "images/0.jpg").size
    over = at.page.locator(".stack .over").first
    assert over.evaluate("each => [each.naturalWidth, each.naturalHeight]") == [*size]
    assert at.page.locator(".legend li").count() >= 1
    at.page.locator(".stack").first.hover(position={"x": 20, "y": 20})
    at.page.get_by_text("%", exact=False).first.wait_for()
    at.check()


def write_weights(path: Path) -> np.ndarray:
    """Weights of the first layer alone."""
    net = NetParameter()
    net.CopyFrom(netspec.build("voc-fcn8s-squeezenet", phase="deploy"))
    values = np.random.default_rng(1).normal(0, 0.01, (64, 3, 3, 3)).astype(np.float32)
    saved_weights.save(path, net, {"conv1": [values, np.zeros(64, np.float32)]})
    return values
