"""What the rules call an error, real Caffe refuses or gets wrong; and it takes the mended example."""

from __future__ import annotations

import subprocess
from pathlib import Path

import check_examples
import numpy as np
import pytest
from caffe_worker import CaffeWorker, PyCaffe

from caffe_fcn import checks

pytestmark = pytest.mark.caffe

NETS = ["FCN106", "FCN121", "FCN131", "FCN132", "FCN133", "FCN134", "FCN135", "FCN136"]
WEIGHTS = ["FCN203", "FCN204"]
SOLVERS = ["FCN301", "FCN302", "FCN306", "FCN307", "FCN309"]


def read_net(code: str, mended: bool) -> tuple[str, str]:
    """The net of a rule's example, and its phase."""
    ((name, text),) = ((n, t) for n, t in checks.find_rule(code).example.texts(mended).items() if "prototxt" in n)
    return text, "TRAIN" if name == "train.prototxt" else "TEST"


def both(code: str) -> tuple[str, str]:
    return read_net(code, mended=False)[0], read_net(code, mended=True)[0]


@pytest.mark.parametrize("code", NETS)
def test_caffe_refuses_the_net_and_takes_the_mended_one(code: str, caffe: CaffeWorker) -> None:
    answers = [caffe.ask("shapes", *read_net(code, mended)) for mended in (False, True)]
    assert [answer is None for answer in answers] == [True, False]


@pytest.mark.parametrize("code", WEIGHTS)
def test_caffe_refuses_the_weights_and_takes_the_mended_ones(code: str, caffe: CaffeWorker, tmp_path: Path) -> None:
    answers = []
    for mended in (False, True):
        folder = tmp_path / str(mended)
        folder.mkdir()
        given = check_examples.write(checks.find_rule(code).example, folder, mended)
        answers.append(caffe.run(given["net"].read_text(), {}, weights=given["weights"]))
    assert [answer is None for answer in answers] == [True, False]


@pytest.mark.parametrize("code", SOLVERS)
def test_caffe_stops_at_the_solver_and_trains_with_the_mended_one(code: str, caffe_bin: Path, tmp_path: Path) -> None:
    ends = []
    for mended in (False, True):
        folder = tmp_path / str(mended)
        folder.mkdir()
        given = check_examples.write(checks.find_rule(code).example, folder, mended)
        solver = given["solver"].read_text().replace("max_iter: 1000", "max_iter: 1 solver_mode: CPU")
        given["solver"].write_text(solver)
        command = [str(caffe_bin), "train", "--solver=solver.prototxt"]
        ends.append(subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0)
    assert ends == [False, True]


def test_a_crop_of_axis_1_leaves_as_many_classes_as_the_image_has_colours(caffe: CaffeWorker) -> None:
    channels = [caffe.ask("shapes", text)["blobs"]["cropped"][1] for text in both("FCN102")]
    assert channels == [3, 5]


def test_a_bilinear_filler_without_groups_gives_every_class_one_score(pycaffe: PyCaffe, tmp_path: Path) -> None:
    alike = []
    for text in both("FCN113"):
        (tmp_path / "net.prototxt").write_text(text)
        made = pycaffe(
            """
            net = caffe.Net(str(inputs['net']), caffe.TRAIN)
            net.blobs['data'].data[...] = np.random.RandomState(0).normal(size=net.blobs['data'].data.shape)
            net.forward()
            outputs['score'] = net.blobs['upscore'].data
            """,
            net=tmp_path / "net.prototxt",
        )["score"]
        alike.append(bool(np.allclose(made, made[:, :1], atol=1e-5)))
    assert alike == [True, False]


def test_a_destroyed_blob_gives_another_gradient_and_the_same_loss(caffe: CaffeWorker) -> None:
    random = np.random.RandomState(0)
    inputs = {
        "data": random.normal(size=(1, 3, 64, 64)).astype("f4"),
        "label": random.randint(0, 5, (1, 1, 64, 64)).astype("f4"),
    }
    wrong, right = (caffe.run(text, inputs, phase="TRAIN", backward=True) for text in both("FCN139"))
    assert wrong is not None and right is not None
    assert np.isclose(wrong["blob/loss"], right["blob/loss"])
    assert (
        np.abs(wrong["grad/features/0"] - right["grad/features/0"]).max() > 0.1 * np.abs(right["grad/features/0"]).max()
    )


def test_a_label_that_is_no_class_is_read_without_a_word(caffe: CaffeWorker) -> None:
    """The mended net leaves the pixel out, which is exact arithmetic; the other takes what lies behind the scores."""
    label_image = np.zeros((1, 1, 8, 8), "f4")
    label_image[0, 0, -1, -1] = 3
    given = {"data": np.random.RandomState(0).normal(size=(1, 3, 8, 8)).astype("f4"), "label": label_image}
    wrong, right = (text.replace("64", "8").replace("255", "3") for text in both("FCN407"))
    made = caffe.run(right, given, "TRAIN")
    assert made is not None
    scores = made["blob/score"].astype("f8")
    pixels = np.log(np.exp(scores).sum(axis=1)) - scores[:, 0]  # all pixels but the last are of class 0
    assert made["blob/loss"] == pytest.approx(pixels.ravel()[:-1].mean(), rel=1e-5)
    assert caffe.run(wrong, given, "TRAIN") is not None


@pytest.mark.parametrize(("code", "blob"), [("FCN207", "cropped"), ("FCN209", "score")])
def test_weights_of_zero_give_scores_of_zero(code: str, blob: str, caffe: CaffeWorker, tmp_path: Path) -> None:
    largest = []
    for mended in (False, True):
        folder = tmp_path / str(mended)
        folder.mkdir()
        given = check_examples.write(checks.find_rule(code).example, folder, mended)
        data = np.random.RandomState(0).normal(size=(1, 3, 64, 64)).astype("f4")
        made = caffe.run(given["net"].read_text(), {"data": data}, weights=given["weights"])
        assert made is not None
        largest.append(float(np.abs(made[f"blob/{blob}"]).max()))
    assert largest[0] == 0 < largest[1]


def test_empty_statistics_multiply_by_hundreds(caffe: CaffeWorker, tmp_path: Path) -> None:
    given = check_examples.write(checks.find_rule("FCN211").example, tmp_path, mended=False)
    data = np.random.RandomState(0).normal(size=(1, 3, 64, 64)).astype("f4")
    made = caffe.run(given["net"].read_text(), {"data": data}, weights=given["weights"])
    assert made is not None
    assert np.allclose(made["blob/normal"], made["blob/score"] / np.sqrt(1e-5), rtol=1e-3)
