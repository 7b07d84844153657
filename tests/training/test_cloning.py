"""A net folder copied to train it anew: it reads the same data, and differs in what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command import Ran

from caffe_fcn import proto
from caffe_fcn.engines.data_sources import require_sources
from caffe_fcn.net.file_paths import find_paths
from caffe_fcn.proto import read_net, read_solver

Cli = Callable[..., Ran]


def places_of(net: Path) -> list[Path]:
    return [(net.parent / path).resolve() for _, _, path in find_paths(read_net(net))]


def test_a_copy_reads_the_same_data_from_elsewhere(place: Path, cli: Cli) -> None:
    ran = cli("net", "copy", "net", "-o", "deeper/down/copy", "--set", "base_lr=0.5", "--set", "stepvalue=10,20")
    assert ran.status == 0, ran.err
    copy = place / "deeper/down/copy"
    assert {path.name for path in copy.iterdir()} == {path.name for path in (place / "net").iterdir()}
    for name in ("train.prototxt", "val.prototxt"):
        assert places_of(copy / name) == places_of(place / "net" / name)
        assert places_of(copy / name)
    assert (copy / "deploy.prototxt").read_text() == (place / "net/deploy.prototxt").read_text()
    require_sources(read_solver(copy / "solver.prototxt"), copy / "solver.prototxt", copy)

    changed, original = (read_solver(folder / "solver.prototxt") for folder in (copy, place / "net"))
    assert (changed.base_lr, list(changed.stepvalue)) == (0.5, [10, 20])
    original.base_lr = 0.5
    original.stepvalue.extend([10, 20])
    assert proto.to_text(changed) == proto.to_text(original)
    assert "base_lr: 0.5" in (copy / "solver.prototxt").read_text()
    assert "# as given" in (copy / "solver.prototxt").read_text()


def test_what_is_beside_the_net_is_copied_and_what_was_trained_is_not(place: Path, cli: Cli) -> None:
    (place / "net/snapshot/train.log").write_text("log")
    (place / "net/start.caffemodel").write_bytes(b"weights")
    net = read_net(place / "net/train.prototxt")
    net.layer[0].transform_param.mean_file = "mean.binaryproto"
    proto.write(net, place / "net/train.prototxt")
    (place / "net/mean.binaryproto").write_bytes(b"mean")
    assert cli("net", "copy", "net", "-o", "copy").status == 0
    assert (place / "copy/mean.binaryproto").read_bytes() == b"mean"
    assert places_of(place / "copy/train.prototxt")[0] == place / "copy/mean.binaryproto"
    assert not (place / "copy/start.caffemodel").exists()
    assert not list((place / "copy/snapshot").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["net", "-o", "net"], "holds a net already"),
        (["data", "-o", "copy"], "has no solver.prototxt"),
        (["net", "-o", "copy", "--set", "bas_lr=1"], "did you mean base_lr?"),
        (["net", "-o", "copy", "--set", "base_lr=fast"], "base_lr: cannot be 'fast'"),
        (["net", "-o", "copy", "--set", "type=Adm"], "did you mean Adam?"),
        (["net", "-o", "copy", "--set", "net=/etc/passwd"], "can be changed"),
        (["net", "-o", "copy", "--set", "base_lr"], "is not FIELD=VALUE"),
    ],
)
def test_what_cannot_be_copied_is_said_and_nothing_is_written(
    place: Path, cli: Cli, words: list[str], said: str
) -> None:
    ran = cli("net", "copy", *words)
    assert ran.status == 2
    assert said in ran.err
    assert not (place / "copy").exists()
