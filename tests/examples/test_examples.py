"""The nets written out in examples/ are those of the catalogue, and real pycaffe makes them, too."""

from __future__ import annotations

import base64
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from caffe_worker import CaffeWorker
from command import ROOT

from caffe_fcn import netspec, proto
from caffe_fcn.net.diff import differences

NETS = {"fcn8s": "voc-fcn8s", "fcn_alexnet": "voc-fcn-alexnet"}
PHASES = ("train", "val", "deploy")


def test_every_example_is_compared() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(NETS)


@pytest.mark.parametrize("example", NETS)
def test_an_example_run_as_a_script_writes_the_nets_of_the_catalogue(example: str, tmp_path: Path) -> None:
    script = ROOT / "examples" / f"{example}.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, cwd=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{phase}.prototxt" for phase in PHASES}
    for phase in PHASES:
        written = proto.read_net(tmp_path / f"{phase}.prototxt")
        assert differences(written, netspec.build(NETS[example], phase)) == []


@pytest.mark.parametrize("example", NETS)
def test_an_example_imports_what_pycaffe_has_and_nothing_else_of_ours(example: str) -> None:
    source = (ROOT / "examples" / f"{example}.py").read_text()
    imports = re.findall(r"^from (\S+) import (.+)$", source, re.MULTILINE)
    ours = {line for line in imports if line[0].startswith("caffe_fcn")}
    assert ours == {
        ("caffe_fcn", "NetSpec"),
        ("caffe_fcn", "layers as L"),
        ("caffe_fcn", "params as P"),
        ("caffe_fcn.coord_map", "crop"),
    }


@pytest.mark.caffe
@pytest.mark.parametrize("example", NETS)
def test_real_pycaffe_makes_the_same_net_of_an_example(caffe: CaffeWorker, example: str) -> None:
    path = ROOT / "examples" / f"{example}.py"
    ours = runpy.run_path(str(path))[example]
    source = re.sub(r"^from caffe_fcn\b", "from caffe", path.read_text(), flags=re.MULTILINE)
    for phase in PHASES:
        answer = caffe.ask("define", f"{source}\nnet = {example}('{phase}')\n")
        assert isinstance(answer, str), answer
        assert proto.to_text(proto.NetParameter.FromString(base64.b64decode(answer))) == proto.to_text(ours(phase))
