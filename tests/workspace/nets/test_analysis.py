"""What pages say of a net is what is published of it; and no net runs code, or opens what it should not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import reference

from caffe_fcn.proto import Datum
from caffe_fcn.workspace.nets.analysis import MOST_LAYERS, analyse
from caffe_fcn.workspace.nets.question import Question
from caffe_fcn.workspace.nets.refusals import find_refusals
from caffe_fcn.workspace.pages.nets import mark_lines

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }\n'
VGG16 = (
    3,
    64,
    64,
    128,
    128,
    256,
    256,
    256,
    512,
    512,
    512,
    512,
    512,
    512,
)  # channels before and after each of 13 convolutions


def ask(**question: Any) -> dict[str, Any]:
    return dict(analyse(Question(**question)))


def test_the_offsets_of_fcn_alexnet_are_the_published_table() -> None:
    rows = ask(design="voc-fcn-alexnet", parts=("offsets",))["offsets"]["rows"]
    assert rows == reference.rows("offset_table_fcn_alexnet.csv")


@pytest.mark.parametrize(
    ("design", "crops", "heads"),
    [
        ("voc-fcn32s", {"score": "19"}, 21 * 21 * 64**2),
        (
            "voc-fcn8s",
            {"score_pool4c": "5", "score_pool3c": "9", "score": "31"},
            21 * (512 + 1) + 21 * (256 + 1) + 21 * 21 * (2 * 4**2 + 16**2),
        ),
    ],
)
def test_fcns_have_the_published_crops_and_as_many_parameters_as_vgg16(
    design: str, crops: dict[str, str], heads: int
) -> None:
    answer = ask(design=design)
    assert {crop["layer"]: crop["computed"] for crop in answer["offsets"]["crops"]} == crops
    assert all(crop["ok"] for crop in answer["offsets"]["crops"])
    convolutions = sum(after * (9 * before + 1) for before, after in pairwise(VGG16))
    dense = 4096 * (7**2 * 512 + 1) + 4096 * (4096 + 1) + 21 * (4096 + 1)
    assert answer["layers"]["params"] == convolutions + dense + heads
    assert len(answer["layers"]["rows"]) == answer["layers"]["count"] == answer["net"]["layers"]


def test_what_is_wrong_is_at_its_line() -> None:
    text = (
        INPUT
        + 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"\n'
        + "  convolution_param { num_output: 2 kernel_size: 3 pad: 3 } }\n"
        + 'layer { name: "crop" type: "Crop" bottom: "conv" bottom: "data" top: "crop"\n'
        + "  crop_param { axis: 2\n    offset: 1\n  }\n}\n"
    )
    answer = ask(text=text)
    # The convolution adds 3 - 1 = 2 positions before the first pixel
    assert [(crop["declared"], crop["computed"], crop["ok"]) for crop in answer["offsets"]["crops"]] == [
        ("1", "2", False)
    ]
    found = {each["code"]: each for each in answer["findings"]["findings"]}
    assert found["FCN101"]["line"] == 6 and found["FCN101"]["fixable"]
    assert mark_lines(answer)[6] == "error"
    assert [row["line"] for row in answer["layers"]["rows"]] == [1, 2, 4]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("layer {\n  name: 'x'\n  type: }", 3, 9), ("layer {\n\n", 1, 7), ('name: "a" name: "b"', 1, 11)],
)
def test_a_text_that_does_not_parse_has_a_line_and_a_column(text: str, line: int, column: int) -> None:
    answer = ask(text=text, shown="the text")
    assert list(answer) == ["fault"]
    assert (answer["fault"]["line"], answer["fault"]["column"]) == (line, column)
    assert "/tmp" not in str(answer)


def test_a_field_that_no_caffe_has_is_named_with_its_line() -> None:
    answer = ask(text=INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r"\n colour: 3 }')
    assert [(each["line"], each["what"]) for each in answer["net"]["unknown_fields"]] == [
        (3, "LayerParameter has no field 'colour'")
    ]


def test_a_solver_is_no_net() -> None:
    fault = ask(text="net: 'train.prototxt'\nbase_lr: 0.1\n")["fault"]
    assert fault["what"] == "is a solver, not a net"


def python_layer(module: str, layer: str) -> str:
    return f'layer {{ name: "p" type: "Python" top: "y" python_param {{ module: "{module}" layer: "{layer}" }} }}'


@pytest.mark.parametrize(
    ("layer", "refused"),
    [
        (python_layer("os", "system"), True),
        (python_layer("voc_layers", "os"), True),
        (python_layer("", ""), True),
        ('layer { name: "o" type: "HDF5Output" bottom: "data" hdf5_output_param { file_name: "/tmp/x" } }', True),
        (python_layer("voc_layers", "SBDDSegDataLayer"), False),
        (python_layer("pycaffe_layers", "SegDataLayer"), False),
        (python_layer("joint_augmentation", "JointAugmentation"), False),
    ],
)
def test_layers_with_code_of_their_own_are_refused(layer: str, refused: bool) -> None:
    answer = ask(text=INPUT + layer)
    assert bool(answer["net"]["refusals"]) is refused, answer


def write_database(folder: Path, height: int, width: int) -> Path:
    with lmdb.open(str(folder), map_size=1 << 20) as opened, opened.begin(write=True) as transaction:
        image = np.zeros((3, height, width), np.uint8)
        datum = Datum(channels=3, height=height, width=width, data=image.tobytes(), label=0)
        transaction.put(b"0", datum.SerializeToString())
    return folder


def test_databases_are_looked_into_in_folders_that_are_allowed(tmp_path: Path) -> None:
    source = write_database(tmp_path / "set", 11, 13)
    path = tmp_path / "train.prototxt"
    path.write_text(
        'layer { name: "data" type: "Data" top: "data" '
        f'data_param {{ source: "{source}" backend: LMDB batch_size: 2 }} }}'
    )
    inside = ask(path=str(path), folders=(str(tmp_path),))
    assert inside["layers"]["rows"][0]["shapes"] == ["2x3x11x13"]
    (tmp_path / "other").mkdir()
    outside = ask(path=str(path), folders=(str(tmp_path / "other"),))
    assert "is not in the workspace" in outside["layers"]["doubt"]["what"]
    assert outside["layers"]["rows"][0]["shapes"] != ["2x3x11x13"]
    assert "11x13" not in str(ask(text=path.read_text()))


def test_markup_in_names_stays_text() -> None:
    name = "<img src=x onerror=alert(1)>\\\"'&"
    shape = "input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } }"
    text = f'name: "{name}" layer {{ name: "{name}" type: "Input" top: "{name}" {shape} }}'
    answer = ask(text=text, parts=("layers", "picture", "page"))
    assert answer["layers"]["rows"][0]["name"].startswith("<img")
    assert "<img" not in answer["picture"]["svg"] and "<img" not in answer["page"]["html"]


def test_a_long_table_ends() -> None:
    layers = "".join(
        f'layer {{ name: "r{i}" type: "ReLU" bottom: "data" top: "data" }}\n' for i in range(MOST_LAYERS + 5)
    )
    answer = ask(text=INPUT + layers, parts=("layers", "picture"))
    assert len(answer["layers"]["rows"]) == MOST_LAYERS and answer["layers"]["left_out"] == 6
    assert "are drawn" in answer["picture"]["fault"]["what"]


def test_every_net_of_the_catalogue_may_be_kept() -> None:
    """What the catalogue builds with the reference's Python layers is not refused."""
    from caffe_fcn import netspec

    for name in ("voc-fcn8s", "nyud-fcn32s-color-hha", "siftflow-fcn8s", "pascalcontext-fcn8s"):
        assert find_refusals(netspec.build(name, "train")) == []
