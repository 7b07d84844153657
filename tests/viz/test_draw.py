"""Pictures of nets: places that don't collide, and Graphviz's own reading of what it is given."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn import netspec, proto
from caffe_fcn.errors import NetError
from caffe_fcn.viz.draw import dot, draw
from caffe_fcn.viz.layered import layout
from caffe_fcn.viz.topology import topology

HOSTILE = '"; a -> b \\N \\" <b>&amp;\nЖ'


@pytest.fixture
def graphviz() -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz's program 'dot' is not on the PATH")


# The layout.


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    count = draw(st.integers(1, 25))
    size = st.tuples(st.integers(10, 200), st.integers(10, 90))
    pairs = list(combinations(range(count), 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=50)) if pairs else []
    return draw(st.lists(size, min_size=count, max_size=count)), edges


@settings(max_examples=300)
@given(graphs())
def test_boxes_stay_apart_and_lines_lead_down_beside_them(graph: Any) -> None:
    sizes, edges = graph
    places = layout(sizes, edges)
    frames = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(places.centres, sizes, strict=True)
    ]
    for a, b in combinations(frames, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
    assert min(frame[0] for frame in frames) >= -1e-6
    assert min(frame[1] for frame in frames) >= -1e-6
    assert max(frame[2] for frame in frames) <= places.width + 1e-6
    assert max(frame[3] for frame in frames) <= places.height + 1e-6
    for (u, v), line in zip(edges, places.lines, strict=True):
        assert line[0][1] == frames[u][3]
        assert frames[u][0] <= line[0][0] <= frames[u][2]
        assert line[-1][1] == frames[v][1]
        assert frames[v][0] <= line[-1][0] <= frames[v][2]
        for (x, y), (_, below) in pairwise(line):
            assert below >= y
            assert not any(left < x < right and top < y < bottom for left, top, right, bottom in frames)


def test_a_chain_stands_upright() -> None:
    places = layout([(50, 20), (150, 20), (30, 20), (70, 20)], [(0, 1), (1, 2), (2, 3), (0, 3)])
    assert places.centres[1][0] == places.centres[2][0]


def test_lines_do_not_cross_where_they_need_not() -> None:
    sizes = [(50.0, 20.0)] * 6
    places = layout(sizes, [(0, 3), (1, 2), (2, 4), (3, 5)])
    x = [centre[0] for centre in places.centres]
    assert (x[0] < x[1]) == (x[3] < x[2]) == (x[5] < x[4])


def test_an_edge_leads_to_a_later_box() -> None:
    with pytest.raises(ValueError, match="1 -> 0"):
        layout([(1, 1), (1, 1)], [(1, 0)])


def test_a_deep_net_is_no_matter() -> None:
    count = 3000
    edges = [(i, i + 1) for i in range(count - 1)] + [(0, count - 1)]
    assert len(layout([(10.0, 10.0)] * count, edges).lines) == count


# What is drawn.


def test_layers_that_work_in_place_share_a_box() -> None:
    picture = topology(netspec.build("voc-fcn-alexnet", phase="train"), "train", size=(500, 500))
    boxes = [[card.name for card in box.cards] for box in picture.boxes]
    assert ["conv1", "relu1"] in boxes
    assert ["fc6", "relu6", "drop6"] in boxes
    ends = {(boxes[line.source][0], boxes[line.target][0]): line.blobs for line in picture.lines}
    assert ends["conv1", "pool1"] == [("conv1", "1x96x173x173")]  # (500 + 200 - 11) // 4 + 1
    assert ends["data", "loss"] == [("label", "1x1x500x500")]


def test_a_blob_that_is_read_before_it_is_worked_on_in_place_keeps_the_two_apart() -> None:
    net = proto.NetParameter()
    proto.parse(
        """
        layer { name: "a" type: "Input" top: "a" input_param { shape { dim: [1, 2] } } }
        layer { name: "b" type: "Power" bottom: "a" top: "b" }
        layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
        """,
        net,
    )
    assert [[card.name for card in box.cards] for box in topology(net).boxes] == [["a"], ["b"], ["relu"]]


def test_what_is_no_graph_is_refused_by_name(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "r" type: "ReLU" bottom: "x" top: "y" }')
    with pytest.raises(NetError, match=r"layer 'r'.*'x'"):
        draw(proto.read_net(path), tmp_path / "net.html")
    ran = cli("net", "draw", path, "-o", tmp_path / "net.html")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert not (tmp_path / "net.html").exists()


# Graphviz.


def read_by_graphviz(text: str) -> tuple[list[str], set[tuple[int, int]]]:
    """The labels of the nodes, and the edges, as Graphviz reads them."""
    done = subprocess.run(["dot", "-Tjson"], input=text.encode(), capture_output=True, check=True)
    graph = json.loads(done.stdout)
    return [each["label"] for each in graph["objects"]], {(e["tail"], e["head"]) for e in graph.get("edges", [])}


@pytest.mark.parametrize("name", ["voc-fcn8s", "voc-fcn32s-googlenet"])
def test_graphviz_reads_every_box_and_line(graphviz: None, name: str) -> None:
    picture = topology(netspec.build(name, phase="deploy"))
    labels, edges = read_by_graphviz(dot(picture))
    assert [label.split("\\n")[0] for label in labels] == [box.cards[0].name for box in picture.boxes]
    assert edges == {(line.source, line.target) for line in picture.lines}


def test_graphviz_reads_a_name_as_it_is(graphviz: None, tmp_path: Path) -> None:
    net = proto.NetParameter(name=HOSTILE)
    net.layer.add(name=HOSTILE, type="Input", top=["x"]).input_param.shape.add(dim=[1])
    net.layer.add(name="next", type="ReLU", bottom=["x"], top=["y"])
    assert draw(net, tmp_path / "net.svg") == []
    texts = [each.text for each in ElementTree.parse(tmp_path / "net.svg").iter("{http://www.w3.org/2000/svg}text")]
    first, second = HOSTILE.split("\n")
    assert texts.count(first) == 2  # the net's and the layer's
    assert texts.count(second) == 2
    assert len(read_by_graphviz(dot(topology(net)))[0]) == 2


@pytest.mark.parametrize(("suffix", "head"), [(".svg", b"<?xml"), (".png", b"\x89PNG\r\n\x1a\n")])
def test_the_command_draws_through_graphviz(
    graphviz: None, cli: Callable[..., Any], tmp_path: Path, suffix: str, head: bytes
) -> None:
    net, picture = tmp_path / "net.prototxt", tmp_path / f"net{suffix}"
    proto.write(netspec.build("voc-fcn8s", phase="deploy"), net)
    ran = cli("net", "draw", net, "-o", picture)
    assert ran == (0, "", "")
    assert picture.read_bytes().startswith(head)


def test_without_graphviz_dot_and_html_still_work(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    net = tmp_path / "net.prototxt"
    proto.write(netspec.build("voc-fcn8s", phase="deploy"), net)
    for suffix in (".svg", ".png"):
        ran = cli("net", "draw", net, "-o", tmp_path / f"net{suffix}")
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert "install graphviz" in ran.err
        assert not (tmp_path / f"net{suffix}").exists()
    assert cli("net", "draw", net, "-o", tmp_path / "net.dot").status == 0
    assert cli("net", "draw", net, "-o", tmp_path / "net.html").status == 0
    assert (tmp_path / "net.dot").read_text().startswith("digraph")


def test_an_unknown_suffix_names_the_known(cli: Callable[..., Any], tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    proto.write(netspec.build("voc-fcn8s", phase="deploy"), net)
    ran = cli("net", "draw", net, "-o", tmp_path / "net.jpg")
    assert ran.status == 2
    assert ".svg" in ran.err
