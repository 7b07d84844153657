"""Nets of other programs, sent to a real server by its forms: the net that is made gives what its original gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from caffe_worker import CaffeWorker
from digits_layout import (
    CLASSES,
    DATA_ID,
    DEPLOY,
    MODEL_ID,
    list_downloads,
    make_data_job,
    make_model_job,
    write_archive,
)
from onnx.reference import ReferenceEvaluator
from onnx_models import write
from workspace.server import Server, serving

from caffe_fcn.description import model_json


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace."""
    folder = tmp_path_factory.mktemp("imports") / "space"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def server(space: Path) -> Iterator[Server]:
    with serving(space) as served:
        yield served


def send(server: Server, space: Path, way: str, name: str, upload: Path | None = None, **fields: str) -> Path:
    """Send the form, wait for its job, look at the page of its net; returns the net's folder."""
    files = {"upload": (upload.name, upload.read_bytes()) if upload else ("", b"")}
    answer = server.post(f"/nets/new/{way}", {"name": name, "file": "", **fields}, files=files)
    assert answer.status_code == 303, answer.text
    job = server.client.get("/api/jobs").json()["jobs"][0]
    job = server.client.get(f"/api/jobs/{job['number']}", params={"wait": 60}, timeout=90).json()
    assert job["state"] == "done", job
    page = server.client.get(f"/nets/view/nets/{name}")
    assert page.status_code == 200 and 'aria-label="Layers"' in page.text
    assert name in {Path(each["name"]).name for each in server.client.get("/api/nets").json()["nets"]}
    assert f"nets/{name}/deploy.prototxt" in server.client.get("/nets/new/classifier").text
    return space / "nets" / name


def run(caffe: CaffeWorker, net: Path, image: np.ndarray) -> np.ndarray:
    """What real Caffe gives for the output of an imported net."""
    model = model_json.read(net)
    assert model is not None
    found = caffe.run(
        (net / "deploy.prototxt").read_text(),
        {model.inputs[0].blob: image.astype(np.float32)},
        weights=net / "weights.caffemodel",
    )
    assert found is not None, "Caffe refuses it"
    return np.asarray(found[f"blob/{model.outputs[0].blob}"])


@pytest.mark.caffe
@pytest.mark.parametrize("sent", ["an archive", "a folder"])
def test_a_model_of_digits(server: Server, space: Path, tmp_path: Path, caffe: CaffeWorker, sent: str) -> None:
    job, data = make_model_job(tmp_path, caffe), make_data_job(tmp_path)
    image = np.random.default_rng(0).uniform(-99, 99, (1, 3, 6, 8)).astype(np.float32)
    original = caffe.run(DEPLOY, {"data": image}, weights=job / "snapshot_iter_10.caffemodel")
    assert original is not None
    if sent == "an archive":
        archive = write_archive(tmp_path / "job.tar.gz", list_downloads(job, data))
        net = send(server, space, "digits", "digits", archive)
        model = model_json.read(net)
        assert model is not None and model.outputs[0].classes == CLASSES
        assert CLASSES[0] in server.client.get("/nets/view/nets/digits").text
    else:
        for folder in (job, data):
            shutil.copytree(folder, space / "jobs" / folder.name)
        net = send(server, space, "digits", "digits-job", file=f"jobs/{MODEL_ID}", data=f"jobs/{DATA_ID}")
        assert str(space / "jobs" / DATA_ID) in (net / "train_val.prototxt").read_text()
    np.testing.assert_array_equal(run(caffe, net, image), original["blob/score"])


@pytest.mark.caffe
def test_a_model_of_onnx(server: Server, space: Path, tmp_path: Path, caffe: CaffeWorker) -> None:
    random = np.random.default_rng(1)
    weights, shift = random.normal(0, 0.3, (6, 4, 3, 3)), random.normal(0, 1, 6)
    body = "a = Conv<pads = [1, 1, 1, 1]>(x, w, b) r = Relu(a) y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r)"
    path = write(tmp_path / "model.onnx", body, "float[1, 4, 8, 6] x", w=weights, b=shift)
    image = random.normal(0, 1, (1, 4, 8, 6)).astype(np.float32)
    answers: Any = ReferenceEvaluator(onnx.load(path)).run(None, {"x": image})
    expected = answers[0]
    net = send(server, space, "onnx", "exported", path, verify="on")
    np.testing.assert_allclose(run(caffe, net, image), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.caffe
def test_a_state_dict_of_torchvision(server: Server, space: Path, tmp_path: Path, caffe: CaffeWorker) -> None:
    torch = pytest.importorskip("torch", reason="a .pth file needs the extra 'torch'")
    import torchvision_nets

    made = torchvision_nets.randomize(torchvision_nets.SqueezeNet((6, 3), "MFFMFFMFFFF", 4, 5))
    torch.save(made.state_dict(), tmp_path / "squeezenet1_1.pth")
    image = np.random.default_rng(2).normal(0, 1, (1, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        expected = made(torch.from_numpy(image)).numpy()
    fields = {"arch": "squeezenet1_1", "size": "64", "mean": "0,0,0", "std": "1,1,1"}
    net = send(server, space, "torch", "squeezed", tmp_path / "squeezenet1_1.pth", **fields)
    found = run(caffe, net, 255 * image).reshape(expected.shape)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.caffe
@pytest.mark.parametrize("way", ["digits", "onnx", "torch"])
def test_what_is_no_such_file_fails_with_its_sentence(server: Server, way: str) -> None:
    fields = {"arch": "vgg16"} if way == "torch" else {}
    files = {"upload": (f"noise-{way}.bin", b"nothing of this kind")}
    server.post(f"/nets/new/{way}", {"name": f"no-{way}", "file": "", **fields}, files=files)
    job = server.client.get("/api/jobs").json()["jobs"][0]
    job = server.client.get(f"/api/jobs/{job['number']}", params={"wait": 60}, timeout=90).json()
    assert job["state"] == "failed" and job["status"] == 2 and f"noise-{way}.bin" in job["message"], job
