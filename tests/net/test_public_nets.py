"""149 public nets of Caffe and its forks: how many are read, get shapes, and survive being written, by fork.

The nets lie beside the checkout and are not part of it. ``python tests/net/test_public_nets.py [FOLDER]`` prints the
table, of any folder of prototxts.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from command import ROOT

from caffe_fcn import proto
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec.to_bvlc import to_bvlc
from caffe_fcn.proto import wire
from caffe_fcn.proto.copying import copy_message, with_layers
from caffe_fcn.proto.dialects.writing import finish

FORKS = ROOT.parent / "shared/facts/forks"
SIZES = (None, (500, 500), (224, 224), (227, 227), (300, 300), (473, 473), (28, 28), (299, 299))

Shapes = Mapping[str, tuple[int, ...]]
BOXES = {"bbox_targets": (128, 84), "bbox_inside_weights": (128, 84), "bbox_outside_weights": (128, 84)}
# What only the data or the code of a net know: shapes of blobs, as --shape tells them
TOLD: dict[str, dict[str, tuple[int, ...]]] = {
    "020": {"data": (1, 3, 500, 500), "label": (1, 1, 500, 500)},
    "056": {
        "data": (1, 3, 600, 800),
        "rois": (128, 5),
        "masks": (128, 1, 14, 14),
        "box_labels": (128,),
        "mask_labels": (128,),
        "mask_targets": (128, 441),
        "mask_weight": (128, 441),
        **BOXES,
    },
    "057": {
        "data": (1, 3, 600, 800),
        "im_info": (1, 3),
        "gt_boxes": (1, 5),
        "rpn_labels": (1, 1, 342, 50),
        "rpn_bbox_targets": (1, 36, 38, 50),
        "rpn_bbox_inside_weights": (1, 36, 38, 50),
        "rpn_bbox_outside_weights": (1, 36, 38, 50),
        "rpn_rois": (300, 5),
        "rois": (128, 5),
        "labels": (128,),
        **BOXES,
    },
    "061": {"bbox-list": (1, 50, 5)},
    "068": {"data": (100, 1, 28, 28)},
    "071": {"data": (1, 3, 416, 416), "label": (1, 30, 5)},
    "073": {"ip2": (64, 10), "loss": (), "mean_distance": ()},
    "074": {"data": (64, 1, 28, 28), "label": (64,), "ip2": (64, 10), "loss": (), "mean_distance": ()},
    "097": {"data": (1, 3, 640, 640), "im_info": (1, 3), "gt_boxes": (1, 5)},
    "130": {"lstm": (57, 38, 128), "rlstm-output": (57, 38, 128), "rois": (300, 5), "scores": (300, 1)},
    "142": {"data": (16, 3, 224, 224), "label_local": (16,), "pool5": (16, 512, 7, 7), "label": (16,)},
    "147": {
        "data": (1, 3, 600, 1000),
        "gt_boxes": (1, 5),
        "image_sizes": (1, 4),
        "proposals": (300, 5),
        "frcnn_out": (300, 6),
    },
    "148": {
        "data": (4, 3, 448, 448),
        "gt_boxes": (4, 5),
        "proposals": (300, 5),
        "rois": (300, 5),
        "proposal_labels": (300,),
        "proposal_targets": (300, 8),
        "box_inside_weights": (300, 8),
        "box_outside_weights": (300, 8),
        "match_gt_boxes": (300, 4),
    },
    "149": {"proposals": (300, 5), "proposals_score": (300, 6)},
}


for _module, _side in (("m1", 80), ("m2", 40), ("m3", 20)):
    TOLD["097"] |= {
        f"{_module}@ssh_anchor_labels": (1, 1, 2 * _side, _side),
        **{
            f"{_module}@ssh_reg_{name}": (1, 8, _side, _side)
            for name in ("tragets", "inside_weights", "outside_weights")
        },
    }
for _scale, _windows in ((1, "3x5 5x7"), (2, "3x5 5x7"), (3, "3x5 5x7"), (4, "3x5")):
    TOLD["148"] |= {f"label_{_scale}_{window}": (4, 6, 56 >> _scale, 56 >> _scale) for window in _windows.split()}


class Outcome(NamedTuple):
    """What became of a net: for each question "" where it went well, or why it did not."""

    parsed: str
    shaped: str = "not parsed"
    survived: str = "not parsed"
    in_bvlcs: str = "not parsed"


def judge(path: Path) -> Outcome:
    try:
        net = proto.read_net(path)
    except CaffeFcnError as error:
        return Outcome(str(error))
    return Outcome("", find_shapes(net, TOLD.get(path.name[:3], {})), write_and_read(net, path), convert(net))


def find_shapes(net: proto.NetParameter, told: Shapes) -> str:
    first = ""
    for phase in ("deploy", "val", "train"):
        for size in SIZES:
            try:
                infer(net, phase, size=size, inputs=told or tell_dropouts(net, phase, size))
            except CaffeFcnError as error:
                first = first or str(error)
            else:
                return ""
    return first


def tell_dropouts(net: proto.NetParameter, phase: str, size: tuple[int, int] | None) -> Shapes:
    """ENet's SpatialDropoutLayer, in Python, keeps the shape of what it reads."""
    names = {layer.top[0] for layer in net.layer if layer.python_param.layer == "SpatialDropoutLayer"}
    if not names:
        return {}
    plain = copy_message(net)
    for layer in plain.layer:
        if layer.top and layer.top[0] in names and layer.type == "Python":
            layer.type = "Dropout"
    return {name: shape for name, shape in infer(plain, phase, size=size).blobs.items() if name in names}


def write_and_read(net: proto.NetParameter, path: Path) -> str:
    """As text, and as a binary file, in the numbers of a fork where there is one."""
    text = proto.NetParameter()
    proto.parse(proto.to_text(net), text, allow_unknown=True)
    if text != net:
        return "the text says something else"
    layers, head = finish([layer.SerializeToString() for layer in net.layer], with_layers(net, []).SerializeToString())
    binary = Path(f"{path.stem}.caffemodel")
    binary.write_bytes(head + b"".join(wire.encode_bytes(100, layer) for layer in layers))
    try:
        return "" if proto.read_net(binary) == net else "the binary file says something else"
    finally:
        binary.unlink()


def convert(net: proto.NetParameter) -> str:
    try:
        to_bvlc(net, (500, 500))
    except CaffeFcnError as error:
        return str(error)
    return ""


def make_table(outcomes: Mapping[str, Outcome], origins: Mapping[str, str]) -> list[tuple[str, int, Sequence[int]]]:
    """By origin: how many nets there are, and how many of them went well in each respect."""
    counts: dict[str, Counter[str]] = {}
    for name, outcome in outcomes.items():
        count = counts.setdefault(origins.get(name, name), Counter())
        count.update(["nets", *(field for field in Outcome._fields if not getattr(outcome, field))])
    return [
        (origin, count["nets"], [count[field] for field in Outcome._fields])
        for origin, count in sorted(counts.items(), key=lambda each: (-each[1]["nets"], each[0]))
    ]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    if not (FORKS / "nets").is_dir():
        pytest.skip("the public nets (../shared/facts/forks) are not here")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("nets"))
        return {path.name: judge(path) for path in sorted((FORKS / "nets").glob("*.prototxt"))}


@pytest.mark.parametrize(("respect", "share"), [("parsed", 0.95), ("shaped", 0.9), ("survived", 0.95)])
def test_how_many_public_nets_go_well(outcomes: dict[str, Outcome], respect: str, share: float) -> None:
    well = [name for name, outcome in outcomes.items() if not getattr(outcome, respect)]
    assert len(well) >= share * len(outcomes)


def test_what_is_refused_names_its_place(outcomes: dict[str, Outcome]) -> None:
    """A layer, or a line and column; a conversion to BVLC's Caffe also the type or the field that it cannot keep."""
    for name, outcome in outcomes.items():
        for why in outcome:
            assert not why or why == "not parsed" or re.match(r"layer '|[^ ]+:\d+:\d+: ", why), (name, why)


def main(folder: Path) -> None:
    """Print the table of a folder, and why nets did not go well."""
    origins: dict[str, str] = {}
    if (folder.parent / "sample.tsv").is_file():
        with (folder.parent / "sample.tsv").open() as file:
            origins = {row["file"]: row["repository"] for row in csv.DictReader(file, delimiter="\t")}
    found = {path.name: judge(path) for path in sorted(folder.glob("*.prototxt"))}
    table = make_table(found, origins)
    total = [sum(row[2][index] for row in table) for index in range(len(Outcome._fields))]
    for origin, nets, counts in [*table, ("all", len(found), total)]:
        print(f"{origin:60}", nets, *counts, sep="\t")
    for name, outcome in found.items():
        for respect, why in zip(Outcome._fields[:3], outcome, strict=False):
            if why and why != "not parsed":
                print(name, respect, why, sep="\t")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FORKS / "nets")
