"""``caffe-fcn offsets`` and ``net show`` as people and scripts call them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import reference

from caffe_fcn import netspec, proto

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def alexnet(tmp_path: Path) -> Path:
    path = tmp_path / "deploy.prototxt"
    proto.write(netspec.build("voc-fcn-alexnet", phase="deploy"), path)
    return path


def test_the_table_ends_in_eighteen(cli: Cli, alexnet: Path) -> None:
    status, out, _ = cli("offsets", alexnet)
    assert status == 0
    first = out.splitlines()[1].split()
    assert (first[0], first[-1]) == ("conv1", "18")
    assert "crop score: offset 18, ok" in out


def test_json_rows_are_the_published_table(cli: Cli, alexnet: Path) -> None:
    document = json.loads(cli("offsets", alexnet, "--json")[1])
    published = reference.rows("offset_table_fcn_alexnet.csv")
    assert document["rows"] == published
    assert document["crops"] == [{"layer": "score", "axis": 2, "declared": "18", "computed": "18", "ok": True}]


def test_a_wrong_offset_is_status_one_and_fix_mends_it(cli: Cli, alexnet: Path, tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong.prototxt", tmp_path / "right.prototxt"
    wrong.write_text(alexnet.read_text().replace("offset: 18", "offset: 19"))
    status, out, _ = cli("offsets", wrong)
    assert status == 1 and "offset 18, wrong: the net says 19" in out
    assert cli("offsets", wrong, "--fix", "-o", right)[0] == 0
    assert proto.read_net(right) == proto.read_net(alexnet)
    assert cli("offsets", right)[0] == 0


def test_between_two_blobs(cli: Cli, alexnet: Path) -> None:
    document = json.loads(cli("offsets", alexnet, "--from", "upscore", "--to", "data", "--json")[1])
    assert (document["axis"], document["scale"], document["shift"]) == (2, "1", "-18")
    document = json.loads(cli("offsets", alexnet, "--from", "data", "--to", "pool5", "--json")[1])
    # closed form: 95/4 down by 8 with three pools of -1/2: ((95/4/2 - 1/2)/2 - 1/2)/2 - 1/2
    assert (document["scale"], document["shift"]) == ("1/32", "67/32")


def test_the_padding_plan_is_valid_at_every_size_and_one_less_is_not(cli: Cli, alexnet: Path) -> None:
    plan = json.loads(cli("offsets", alexnet, "--plan-padding", "--min", "64x64", "--json")[1])
    text = alexnet.read_text()

    def valid(pad: int, size: int) -> bool:
        changed = alexnet.with_name("changed.prototxt")
        changed.write_text(text.replace("pad: 100", f"pad: {pad}"))
        fixed = alexnet.with_name("fixed.prototxt")
        return (
            cli("offsets", changed, "--fix", "-o", fixed)[0] == 0
            and cli("net", "show", fixed, "--size", f"{size}x{size}")[0] == 0
        )

    assert all(valid(plan["pad"], size) for size in range(64, 64 + plan["period"]))
    assert not all(valid(plan["pad"] - 1, size) for size in range(64, 64 + plan["period"]))


def test_show_gives_shapes_parameters_and_receptive_fields(cli: Cli, alexnet: Path) -> None:
    document = json.loads(cli("net", "show", alexnet, "--size", "375x500", "--json")[1])
    # published: pool5 256x17x21, fc6 4096x12x16 with 37,752,832 parameters
    assert document["blobs"]["pool5"] == [1, 256, 17, 21]
    assert document["blobs"]["fc6"] == [1, 4096, 12, 16]
    fc6 = next(layer for layer in document["layers"] if layer["name"] == "fc6")
    assert fc6["param_shapes"] == [[4096, 256, 6, 6], [4096]]
    assert fc6["params"] == 37_752_832
    assert fc6["macs"] == 4096 * 12 * 16 * 256 * 6 * 6
    assert document["params"] == sum(layer["params"] for layer in document["layers"])
    assert document["macs"] == sum(layer["macs"] for layer in document["layers"])
    # AlexNet's receptive fields as published: pool5 sees 195 pixels at stride 32, fc6 355
    assert document["receptive_fields"]["pool5"]["size"] == "195"
    assert document["receptive_fields"]["pool5"]["stride"] == "32"
    assert document["receptive_fields"]["fc6"]["size"] == "355"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["offsets", "no.prototxt"], "error: no.prototxt: no such file or directory (check the path)"),
        (["offsets", "NET", "--from", "upscore"], "--from and --to go together"),
        (
            ["offsets", "NET", "--from", "upscore", "--to", "dat"],
            "blob 'dat': the net has no such blob (did you mean data?)",
        ),
        (["offsets", "NET", "--size", "3"], "No such option"),
        (["net", "show", "NET", "--phase", "trian"], "trian"),
        (["net", "show", "NET", "--size", "0x3"], "is not a size such as 500x375"),
        (["net", "shw", "NET"], "did you mean show?"),
        (["ofsets", "NET"], "did you mean offsets?"),
        (["offsets", "NET", "--fix"], "--fix and -o FILE go together"),
        (["offsets", "NET", "--fix", "-o", "no/such/folder/x"], "no such file or directory"),
        (["offsets", "FOLDER"], "is a directory"),
    ],
)
def test_bad_input_is_one_line_and_status_two(cli: Cli, alexnet: Path, arguments: list[str], message: str) -> None:
    status, out, err = cli(*({"NET": alexnet, "FOLDER": alexnet.parent}.get(each, each) for each in arguments))
    assert status == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err


def test_a_net_from_stdin_and_the_fixed_one_to_stdout(alexnet: Path) -> None:
    command = [sys.executable, "-m", "caffe_fcn", "offsets", "-", "--fix", "-o", "-"]
    done = subprocess.run(command, input=alexnet.read_text(), capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    net = proto.NetParameter()
    proto.parse(done.stdout, net)
    assert net == proto.read_net(alexnet)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys\nfrom caffe_fcn.cli import main\ntry: main(['offsets', '--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'PIL', 'scipy', 'matplotlib', 'rich', 'numpy', 'lmdb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
