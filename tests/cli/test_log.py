"""``caffe-fcn log``: logs of real Caffe whose figures have closed forms, and one of NVIDIA's form."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import decay
import nvidia_log
import pytest
from command import Ran

Cli = Callable[..., Ran]

# One output of two values, w and a multiple of it, which is another one in each test net.
OUTPUTS = (
    "".join(
        f"""
    layer {{ name: "{name}" type: "Power" bottom: "w" top: "multiple" power_param {{ scale: {scale} }} {rule} }}
    """
        for name, scale, rule in (
            ("train", 1, "include { phase: TRAIN }"),
            ("first", 2, 'include { phase: TEST stage: "first" }'),
            ("second", 4, 'include { phase: TEST stage: "second" }'),
        )
    )
    + 'layer { name: "both" type: "Concat" bottom: "w" bottom: "multiple" top: "both" }'
)


def weight(iteration: int) -> float:
    """The weight after so many steps."""
    return 3 * (1 - (1 - decay.RATE) ** iteration)


def train(caffe: Path, folder: Path, log: Path, *more: str) -> None:
    with log.open("ab") as file:
        subprocess.run([caffe, "train", "-solver=solver.prototxt", *more], cwd=folder, stderr=file, check=True)


@pytest.fixture(scope="module")
def log(caffe_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training by real Caffe of 30 iterations, and in the same file its continuation from iteration 10."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "snapshots").mkdir()
    more = 'test_iter: 1 test_iter: 1 test_interval: 10 test_state { stage: "first" } test_state { stage: "second" }'
    decay.write(folder, more, snapshot=10, max_iter=30)
    with (folder / "net.prototxt").open("a") as net:
        net.write(OUTPUTS)
    train(caffe_bin, folder, folder / "train.log")
    decay.write(folder, more, snapshot=10, max_iter=20)
    with (folder / "net.prototxt").open("a") as net:
        net.write(OUTPUTS)
    train(caffe_bin, folder, folder / "train.log", "-snapshot=snapshots/decay_iter_10.solverstate")
    return folder / "train.log"


def near(values: Iterable[float]) -> object:
    return pytest.approx(list(values), rel=1e-4, abs=1e-6)


def test_json_has_every_figure_of_a_resumed_training_once(cli: Cli, log: Path) -> None:
    ran = cli("log", "show", log, "--json")
    assert (ran.status, ran.err) == (0, "")
    (found,) = json.loads(ran.out)["logs"]
    steps, tests = found["steps"], found["tests"]
    assert found["log"] == str(log)
    assert [step["iteration"] for step in steps] == [0, 5, 10, 15, 20]
    assert [step["loss"] for step in steps] == near(decay.loss(i) for i in (0, 5, 10, 15, 20))
    assert [step["lr"] for step in steps] == [0.1, 0.1, 0.1, 0.1, None]
    assert [step["outputs"]["both"] for step in steps[:4]] == [near([weight(i)] * 2) for i in (0, 5, 10, 15)]
    assert [(test["iteration"], test["test_net"]) for test in tests] == [
        (iteration, net) for iteration in (0, 10, 20) for net in (0, 1)
    ]
    for test in tests:
        w = weight(test["iteration"])
        assert test["outputs"]["both"] == near([w, w * (2, 4)[test["test_net"]]])
    assert found["snapshots"][:2] == ["snapshots/decay_iter_10.caffemodel", "snapshots/decay_iter_10.solverstate"]


def test_a_table_shows_each_test_net_and_each_value(cli: Cli, log: Path) -> None:
    ran = cli("log", "show", log)
    title, header, *rows = ran.out.splitlines()
    assert title == f"{log}: 5 steps, 6 tests, 6 files of snapshots"
    assert header.split("  ")[0] == "iteration"
    names = [name for name in header.split("  ") if name]
    assert [name.strip() for name in names] == [
        *("iteration", "loss", "lr", "train both[0]", "train both[1]", "train loss"),
        *("test 0 both[0]", "test 0 both[1]", "test 0 loss", "test 1 both[0]", "test 1 both[1]", "test 1 loss"),
    ]
    assert [row.split()[0] for row in rows] == ["0", "5", "10", "15", "20"]
    assert [float(value) for value in rows[2].split()[1:3]] == near([decay.loss(10), 0.1])


def test_rows_are_spread_from_the_first_to_the_last(cli: Cli, log: Path) -> None:
    for rows, shown in ((3, ["0", "10", "20"]), (2, ["0", "20"]), (1, ["20"])):
        ran = cli("log", "show", log, "--rows", rows)
        assert [row.split()[0] for row in ran.out.splitlines()[2:]] == shown


@pytest.mark.parametrize("prefix", ["", "2026-03-10 08:12:41 worker-0 | "])
def test_a_log_of_nvidias_caffe_is_read(cli: Cli, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "caffe_output.log").write_text(nvidia_log.write(prefix))
    (found,) = json.loads(cli("log", "show", tmp_path, "--json").out)["logs"]  # the folder, as of a job of DIGITS
    assert {step["iteration"]: step["loss"] for step in found["steps"]} == nvidia_log.LOSSES
    assert {step["lr"] for step in found["steps"]} == {nvidia_log.RATE}
    assert [step["outputs"] for step in found["steps"]] == [{"loss": loss} for loss in nvidia_log.LOSSES.values()]
    assert {test["iteration"]: test["outputs"]["accuracy"] for test in found["tests"]} == nvidia_log.ACCURACIES
    assert found["snapshots"] == ["snapshot_iter_40.caffemodel", "snapshot_iter_40.solverstate"]


def test_several_logs_are_shown_one_after_the_other(cli: Cli, tmp_path: Path, log: Path) -> None:
    (tmp_path / "nvidia.log").write_text(nvidia_log.write())
    ran = cli("log", "show", log, tmp_path / "nvidia.log")
    assert [line.split(": ")[0] for line in ran.out.splitlines() if ": " in line] == [
        str(log),
        str(tmp_path / "nvidia.log"),
    ]


def test_losses_that_are_no_numbers_are_shown_and_stay_json(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("I0310 08:12:41.001122 31337 solver.cpp:354] Iteration 5, loss = nan\n")
    assert cli("log", "show", tmp_path / "log").out.splitlines()[-1].split() == ["5", "nan"]
    text = cli("log", "show", tmp_path / "log", "--json").out
    (found,) = json.loads(text, parse_constant=pytest.fail)["logs"]
    assert found["steps"][0]["loss"] == "nan"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("nothing\n", "tells of no training"),
        ('{"iteration": 5, "loss": 1}\n{"iteration": 10}\n', "line 2 is not the figures of a training"),
        ('{"iteration": 5, "loss": "small"}\n', "line 1 is not the figures of a training"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(cli: Cli, tmp_path: Path, content: str, error: str) -> None:
    (tmp_path / "log").write_text(content)
    ran = cli("log", "show", tmp_path / "log")
    assert ran.status == 2
    assert error in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_folder_without_a_log_is_refused(cli: Cli, tmp_path: Path) -> None:
    ran = cli("log", "show", tmp_path)
    assert ran.status == 2
    assert "is a folder without snapshot/train.jsonl" in ran.err


def test_lines_of_json_are_read_but_for_a_half_written_one(cli: Cli, tmp_path: Path) -> None:
    lines = [
        '{"iteration": 0, "loss": "inf", "lr": 0.1}',
        '{"iteration": 0, "test_net": 1, "outputs": {"a": [1, "nan"]}}',
    ]
    (tmp_path / "train.jsonl").write_text("\n".join([*lines, '{"iteration": 5, "lo']))
    (found,) = json.loads(cli("log", "show", tmp_path, "--json").out)["logs"]
    assert found["steps"] == [{"iteration": 0, "loss": "inf", "lr": 0.1, "outputs": {}}]
    assert found["tests"] == [{"iteration": 0, "test_net": 1, "outputs": {"a": [1.0, "nan"]}}]


@pytest.mark.parametrize("suffix", ["svg", "png", "html"])
def test_logs_of_caffe_and_of_nvidias_are_plotted_together(cli: Cli, tmp_path: Path, log: Path, suffix: str) -> None:
    (tmp_path / "nvidia.log").write_text(nvidia_log.write())
    ran = cli("log", "plot", log, tmp_path / "nvidia.log", "-o", tmp_path / f"curves.{suffix}")
    assert (ran.status, ran.err) == (0, "")
    content = (tmp_path / f"curves.{suffix}").read_bytes()
    if suffix == "png":
        assert content.startswith(b"\x89PNG\r\n")
    else:
        for text in ("nvidia.log", "loss", "accuracy", "both[1]", "lr"):
            assert f">{text}</text>" in content.decode().replace(f"{tmp_path}/", "")


def test_one_figure_is_drawn_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(nvidia_log.write())
    assert cli("log", "plot", tmp_path / "log", "-o", tmp_path / "a.svg", "--only", "accuracy").status == 0
    content = (tmp_path / "a.svg").read_text()
    assert ">accuracy</text>" in content
    assert ">loss</text>" not in content


def test_an_unknown_figure_is_answered_with_the_known_ones(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(nvidia_log.write())
    ran = cli("log", "plot", tmp_path / "log", "-o", tmp_path / "a.svg", "--only", "iou")
    assert ran.status == 2
    assert "no figure is called 'iou' (--only takes loss, accuracy, lr)" in ran.err
