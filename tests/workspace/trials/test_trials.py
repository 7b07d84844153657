"""Testing through a real server: what the pages show is what follows from the net's weights."""

from __future__ import annotations

import html
import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import saved_weights
from google.protobuf import text_format
from numpy.typing import NDArray
from PIL import Image
from workspace.server import Server, serving

from caffe_fcn.datasets.records.palette import make_voc_palette
from caffe_fcn.proto import NetParameter

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 3 kernel_size: 1 bias_term: false } }
"""
DESCRIPTION = {
    "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean": [100]}],
    "outputs": [{"blob": "score", "kind": "scores", "classes": ["paper", "<b>ink</b>", "red"]}],
}
KERNEL = np.array([[0, 0, 0], [0.05, 0, 0], [0, 0, 0.02]], np.float32)  # class x channel, blue first


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace with a net that says blue is class 1 and red class 2, a data set of two records, and a photo."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("workspace")
    net = root / "bundles/colours"
    net.mkdir(parents=True)
    (net / "deploy.prototxt").write_text(NET)
    (net / "model.json").write_text(json.dumps(DESCRIPTION))
    weights = {"score": [KERNEL.reshape(3, 3, 1, 1)]}
    saved_weights.save(net / "fcn.caffemodel", text_format.Parse(NET, NetParameter()), weights)
    (root / "photos").mkdir()
    draw(root / "photos/a.png", 1)
    with serving(root) as server:
        yield server


def draw(path: Path, seed: int) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def compute(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The probabilities by their definition, C x H x W, of an image of RGB."""
    scores = np.einsum("cb,hwb->chw", KERNEL.astype(float), pixels[..., ::-1].astype(float) - 100)
    powers = np.exp(scores)
    return powers / powers.sum(0)


def wait(server: Server, job: dict[str, Any]) -> None:
    """Wait until a job is over, however busy the machine is."""
    for _ in range(10):
        found = server.client.get(f"/api/jobs/{job['number']}", params={"wait": 20}, timeout=90).json()
        if found["is_over"]:
            break
    assert found["state"] == "done", found


def fetch(server: Server, name: str, kind: str, **query: object) -> NDArray[np.uint8]:
    answer = server.client.get(f"/test/picture/{name}", params={"kind": kind, **query})
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_images_that_are_sent_along(server: Server, tmp_path: Path) -> None:
    photos = {name: draw(tmp_path / name, seed) for seed, name in enumerate(("x.png", "y.png"))}
    sent = [("images", (name, (tmp_path / name).read_bytes())) for name in photos]
    answer = server.post("/test/new", {"model": "bundles/colours", "source": "upload", "engine": "torch"}, files=sent)
    assert answer.status_code == 303, answer.text
    (name,) = (each["name"] for each in server.client.get("/api/test").json()["tests"])
    (job,) = server.client.get("/api/jobs", params={"makes": f"tests/{name}"}).json()["jobs"]
    wait(server, job)
    for number, pixels in enumerate(photos.values()):
        expected = compute(pixels)
        assert np.array_equal(fetch(server, name, "photo", image=number), pixels)
        label = fetch(server, name, "label", image=number)
        colours = np.array(make_voc_palette()[:3], np.uint8)
        assert np.array_equal(label[..., :3], colours[expected.argmax(0)])
        assert np.array_equal(label[..., 3] > 0, expected.argmax(0) > 0)  # one sees through black
        for kind in range(3):
            shown = fetch(server, name, "probability", image=number, **{"class": kind})
            assert np.abs(shown - 255 * expected[kind]).max() < 0.51
        query = {"image": number, "x": 4, "y": 5}
        found = server.client.get(f"/api/test/{name}/pixel", params=query).json()["classes"]
        assert [each["class"] for each in found] == np.argsort(-expected[:, 5, 4]).tolist()
        for each in found:
            assert math.isclose(each["probability"], expected[each["class"], 5, 4], rel_tol=1e-5)
    page = server.client.get(f"/test/view/{name}", params={"image": 1}).text
    assert "y.png" in page and "&lt;b&gt;ink&lt;/b&gt;" in page and "<b>ink" not in page
    saved = server.client.get(f"/test/file/{name}", params={"image": 1, "kind": "label"})
    assert 'filename="y.png"' in saved.headers["content-disposition"]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(saved.content))), compute(photos["y.png"]).argmax(0))


@pytest.fixture(scope="module")
def scene(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """The records of a data set in the workspace, in their order: images and labels."""
    folder = tmp_path_factory.mktemp("pairs")
    pairs = []
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number in range(3):
        pixels = draw(folder / f"images/{number}.png", 10 + number)
        label = np.random.default_rng(number).integers(0, 3, (6, 5)).astype(np.uint8)
        Image.fromarray(label).save(folder / f"labels/{number}.png")
        pairs.append((pixels, label))
    root = Path(server.process.args[4])
    command = ["data", "folder", "--images", folder / "images", "--labels", folder / "labels", "--classes", 3]
    command += ["--val-percent", 0, "--no-shuffle", "--images-as", "png", "-o", root / "datasets/scene"]
    subprocess.run([sys.executable, "-m", "caffe_fcn", *map(str, command)], check=True, capture_output=True)
    return pairs


def test_a_record_beside_its_truth(server: Server, scene: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> None:
    asked = {
        "model": "bundles/colours",
        "source": "record",
        "dataset": "datasets/scene",
        "record": 2,
        "engine": "torch",
    }
    job = server.client.post("/api/test", json={**asked, "look": True}).json()
    wait(server, job)
    name = job["makes"].removeprefix("tests/")
    pixels, label = scene[2]
    assert np.array_equal(fetch(server, name, "photo"), pixels)
    truth = fetch(server, name, "truth")
    assert np.array_equal(truth[..., :3], np.array(make_voc_palette()[:3], np.uint8)[label])
    (found,) = server.client.get(f"/api/test/{name}").json()["images"]
    accuracy = float((compute(pixels).argmax(0) == label).mean())
    assert math.isclose(found["pixel_accuracy"], accuracy, rel_tol=1e-6)
    look = server.client.get(f"/test/look/{name}")
    assert look.headers["content-security-policy"].startswith("sandbox")
    assert "1x3x6x5" in look.text  # the blob of the scores


def test_a_whole_data_set(server: Server, scene: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> None:
    asked = {"model": "bundles/colours", "source": "set", "dataset": "datasets/scene", "engine": "torch"}
    job = server.client.post("/api/test", json=asked).json()
    wait(server, job)
    name = job["makes"].removeprefix("tests/")
    right = sum(int((compute(pixels).argmax(0) == label).sum()) for pixels, label in scene)
    scores = server.client.get(f"/api/test/{name}").json()["scores"]
    assert math.isclose(scores["pixel_accuracy"], right / 90, rel_tol=1e-6)
    page = server.client.get(f"/test/view/{name}").text
    assert f"{100 * right / 90:.2f} %" in page and "record=2" in page


@pytest.mark.parametrize(
    ("asked", "field", "why"),
    [
        ({"model": "none"}, "model", "Choose one of"),
        ({"source": "upload"}, "images", "at least one image"),
        ({"source": "path"}, "path", "Give an image"),
        ({"source": "path", "path": "../../etc/passwd"}, "path", "may read"),
        ({"source": "path", "path": "photos/none.png"}, "path", "no such file"),
        ({"source": "path", "path": ".caffe-fcn/secret"}, "path", "belongs to the server"),
        ({"source": "record"}, "dataset", "Choose a data set"),
        ({"source": "record", "dataset": "datasets/scene", "record": 3}, "record", "from 0 to 2"),
        ({"source": "record", "dataset": "datasets/scene", "split": "test"}, "split", "no split"),
        ({"source": "path", "path": "photos/a.png", "resize": "0x4"}, "resize", "number"),
        ({"sorce": "path"}, "sorce", "no such field"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    asked: dict[str, Any], field: str, why: str, server: Server, scene: list[Any]
) -> None:
    before = server.client.get("/api/test").json()["tests"]
    answer = server.client.post("/api/test", json={"model": "bundles/colours", **asked})
    assert answer.status_code == 422
    assert why in answer.json()["error"]["fields"][field]
    assert server.client.get("/api/test").json()["tests"] == before
    if field == "images":
        shown = server.post("/test/new", {"model": "bundles/colours"}, files=[("images", ("", b""))])
        assert shown.status_code == 422 and "Choose at least one image." in shown.text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/test/view/9999", 404),
        ("/test/view/..%2F..%2Fetc", 404),
        ("/test/picture/9999?kind=photo", 404),
        ("/test/new?model=%3Cscript%3E", 200),
    ],
)
def test_addresses_of_nothing(address: str, status: int, server: Server) -> None:
    answer = server.client.get(address)
    assert answer.status_code == status
    assert "<script>" not in answer.text


CLASSIFIER = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 6 bias_term: false } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
ANIMALS = ["cat", "dog", "<i>owl</i>", "hen", "cow", "ant"]


def test_the_five_most_probable_classes_of_a_classifier(server: Server, tmp_path: Path) -> None:
    """Of the names in labels.txt, with the probabilities that follow from the mean colour of the image."""
    net = Path(str(server.process.args[4])) / "bundles/animals"
    net.mkdir()
    (net / "deploy.prototxt").write_text(CLASSIFIER)
    (net / "labels.txt").write_text("".join(f"{name}\n" for name in ANIMALS))
    kernel = np.random.default_rng(5).normal(0, 0.01, (6, 3)).astype(np.float32)
    saved_weights.save(net / "fc.caffemodel", text_format.Parse(CLASSIFIER, NetParameter()), {"fc": [kernel]})
    pixels = np.random.default_rng(6).integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "pet.png")
    sent = [("images", ("pet.png", (tmp_path / "pet.png").read_bytes()))]
    fields = {"model": "bundles/animals", "source": "upload", "engine": "torch"}
    assert server.post("/test/new", fields, files=sent).status_code == 303
    name = server.client.get("/api/test").json()["tests"][0]["name"]
    wait(server, server.client.get("/api/jobs", params={"makes": f"tests/{name}"}).json()["jobs"][0])

    powers = np.exp(kernel.astype(float) @ pixels[..., ::-1].astype(float).mean((0, 1)))
    expected = powers / powers.sum()
    best = np.argsort(-expected)[:5]
    page = server.client.get(f"/test/view/{name}").text
    shown = re.findall(r"<li><span>(.*?)</span> <b>([\d.]+) %</b><meter [^>]*value=\"([\d.]+)\"", page)
    assert [html.unescape(each) for each, _, _ in shown] == [ANIMALS[each] for each in best]
    np.testing.assert_allclose([float(percent) for _, percent, _ in shown], 100 * expected[best], atol=0.0051)
    np.testing.assert_allclose([float(value) for _, _, value in shown], expected[best], atol=1e-5)
    assert "<i>owl" not in page and 'kind=photo" alt="pet.png"' in page
    assert np.array_equal(fetch(server, name, "photo", image=0), pixels)
