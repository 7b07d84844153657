"""The pages of nets, on a real server: from an empty workspace to nets that are built, mended, kept and thrown away."""

from __future__ import annotations

import html
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from command import ROOT, Ran
from workspace.server import Server, serving

from caffe_fcn import netspec, proto
from caffe_fcn.netspec.catalogue import catalogue

FORKS = ROOT.parent / "shared" / "facts" / "forks" / "nets"
MARKUP = "<img src=x onerror=alert(1)>"
SMALL = """# kept
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of an empty workspace, with models of its own."""
    folder = tmp_path_factory.mktemp("nets") / "space"
    folder.mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("CAFFE_FCN_MODELS", str(folder.parent / "models"))
    with serving(folder) as served:
        yield served
    patch.undo()


@pytest.fixture
def root(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the workspace."""
    return next(each for each in tmp_path_factory.getbasetemp().glob("nets*/space"))


def finish(server: Server, answer: httpx.Response) -> str:
    """The page that a form leads to, once its job is done."""
    assert answer.status_code == 303, answer.text
    place = answer.headers["location"]
    if not place.startswith("/jobs/"):
        return str(place)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job = server.client.get(f"/api{place}", params={"wait": 5}).json()
        if job["is_over"]:
            assert job["state"] == "done", job
            return str(place)
    raise AssertionError(job)


def read_cells(page: str, label: str) -> list[list[str]]:
    """The cells of the table with a label, without markup."""
    table = re.search(rf'aria-label="{label}">(.*?)</table>', page, re.DOTALL)
    assert table, page
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table[1].partition("<tbody>")[2], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in row] for row in cells]


def test_an_empty_workspace_says_what_to_do_first(server: Server) -> None:
    page = server.client.get("/nets").text
    assert "There is no net yet" in page and 'href="/nets/new/text"' in page


SHOWN = ("voc-fcn-alexnet", "triangles", "nyud-fcn32s-color-hha", "enet")


@pytest.mark.parametrize(
    "name", [name if name in SHOWN else pytest.param(name, marks=pytest.mark.long) for name in catalogue()]
)
def test_the_page_of_a_net_of_the_catalogue_has_the_figures_of_net_show(
    server: Server, cli: Callable[..., Ran], tmp_path: Path, name: str
) -> None:
    answer = server.client.get(f"/nets/catalogue/{name}", timeout=60)
    assert answer.status_code == 200
    path = tmp_path / "deploy.prototxt"
    proto.write(netspec.build(name, "deploy"), path)
    shown = json.loads(cli("net", "show", path, "--json").out)
    rows = read_cells(answer.text, "Layers")
    assert [row[0] for row in rows] == [layer["name"] for layer in shown["layers"]]
    assert [int(row[5].replace(",", "") or 0) for row in rows] == [layer["params"] for layer in shown["layers"]]
    assert [int(row[6].replace(",", "") or 0) for row in rows] == [layer["macs"] for layer in shown["layers"]]
    sizes = ["x".join(map(str, shown["blobs"][top])) for layer in shown["layers"] for top in layer["tops"]]
    assert re.findall(r'class="shape">([\dx]+)<', answer.text) == sizes
    assert f"{shown['params']:,}" in answer.text and f"{shown['macs']:,}" in answer.text
    assert "✗ wrong" not in answer.text


def test_the_catalogue_is_searched(server: Server) -> None:
    names = [row[0] for row in read_cells(server.client.get("/nets/new?q=vgg+stride+32").text, "The catalogue")]
    assert "voc-fcn32s" in names and "voc-fcn8s" not in names


def test_a_net_is_built_mended_and_thrown_away(server: Server, root: Path) -> None:
    given = {"name": "tri", "size": "64", "loss": "softmax", "source": ""}
    finish(server, server.post("/nets/catalogue/triangles", given))
    folder = root / "nets/tri"
    assert {"train.prototxt", "deploy.prototxt", "solver.prototxt"} <= {each.name for each in folder.iterdir()}
    page = server.client.get("/nets/view/nets/tri").text
    assert 'href="/runs/new?net=nets/tri"' in page and "1x1x64x64" in page
    wrong = server.post("/nets/catalogue/triangles", {**given, "size": "big"})
    assert wrong.status_code == 422 and 'value="big"' in wrong.text and "Give a size" in wrong.text
    deploy = folder / "deploy.prototxt"
    right = deploy.read_text()
    deploy.write_text(right.replace("offset: 6", "offset: 5"))
    if right != deploy.read_text():
        assert "Mend what is certain" in server.client.get("/nets/view/nets/tri").text
        finish(server, server.post("/nets/change/mend/nets/tri", {"file": "deploy.prototxt"}))
        assert proto.read_net(deploy) == proto.read_net(folder / "deploy.prototxt")
    assert server.post("/nets/trash/nets/tri").headers["location"] == "/nets"
    assert not folder.exists() and list(root.glob(".caffe-fcn/trash/*/item/deploy.prototxt"))
    assert server.client.get("/nets/view/nets/tri").status_code == 404


def test_a_text_is_checked_kept_and_convolutionized(server: Server, root: Path) -> None:
    found = server.client.post("/api/nets/check", json={"text": SMALL, "markup": True}).json()
    assert [row["shapes"] for row in found["layers"]["rows"]] == [["1x3x9x9"], ["1x4"]]
    assert "<svg" in found["picture"]["svg"] and 'aria-label="Layers"' in found["markup"]
    files = {"upload": ("net.prototxt", SMALL.encode())}
    page = finish(server, server.post("/nets/new/text", {"name": "small", "text": ""}, files=files))
    assert page == "/nets/view/nets/small" and (root / "nets/small/deploy.prototxt").read_text() == SMALL
    finish(server, server.post("/nets/change/convolutionize/nets/small", {"file": "deploy.prototxt", "name": "conv"}))
    [_, layer] = proto.read_net(root / "nets/conv/deploy.prototxt").layer
    assert (layer.type, list(layer.convolution_param.kernel_size)) == ("Convolution", [9])
    download = server.client.get("/nets/file/nets/small?file=deploy.prototxt")
    assert download.text == SMALL and "attachment" in download.headers["content-disposition"]


def test_an_old_net_is_upgraded_in_its_place(server: Server, root: Path) -> None:
    old = 'input: "d" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9 '
    old += 'layers { name: "r" type: RELU bottom: "d" top: "r" }'
    answer = server.client.post("/api/nets", json={"way": "text", "name": "old", "text": old})
    assert answer.json()["name"] == "nets/old"
    assert "Upgrade to the current format" in server.client.get("/nets/view/nets/old").text
    finish(server, server.post("/nets/change/upgrade/nets/old", {"file": "deploy.prototxt"}))
    assert [layer.type for layer in proto.read_net(root / "nets/old/deploy.prototxt", upgrade=False).layer] == [
        "Input",
        "ReLU",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'layer { name: "p" type: "Python" top: "y" python_param { module: "os" layer: "system" } }',
        "layer {",
        "x" * (1 << 21),
        "",
    ],
)
def test_what_cannot_be_kept_leaves_nothing(server: Server, root: Path, text: str) -> None:
    answer = server.client.post("/api/nets", json={"way": "text", "name": "refused", "text": text})
    assert answer.status_code == 422 and "text" in answer.json()["error"]["fields"]
    assert not (root / "nets/refused").exists()


def test_ten_megabytes_are_refused_with_a_sentence(server: Server) -> None:
    answer = server.client.post("/api/nets/check", json={"text": "a" * (10 << 20)})
    assert 400 <= answer.status_code < 500 and "MB" in answer.json()["error"]["what"]


def test_names_with_markup_stay_text(server: Server, root: Path) -> None:
    shape = "input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } }"
    text = f'name: "{MARKUP}" layer {{ name: "{MARKUP}" type: "Input" top: "{MARKUP}" {shape} }}\n# {MARKUP}\n'
    assert MARKUP not in server.client.post("/api/nets/check", json={"text": text, "markup": True}).json()["markup"]
    folder = root / "nets" / "odd<b>&\"'"
    folder.mkdir(parents=True)
    (folder / "deploy.prototxt").write_text(text)
    (folder / "model.json").write_text(
        json.dumps(
            {
                "inputs": [{"blob": MARKUP, "channels": 3, "order": "BGR"}],
                "outputs": [{"blob": MARKUP, "kind": "scores", "classes": [MARKUP]}],
                "dataset": MARKUP,
            }
        )
    )
    name = "nets/odd%3Cb%3E%26%22%27"
    for address in ("/nets", f"/nets/view/{name}", f"/nets/picture/{name}", f"/nets/explore/{name}"):
        answer = server.client.get(address)
        assert answer.status_code == 200
        assert MARKUP not in answer.text and "odd<b>" not in answer.text
    assert "script-src" in server.client.get("/nets").headers["content-security-policy"]
    for address in (f"/nets/picture/{name}", f"/nets/explore/{name}"):
        assert "sandbox" in server.client.get(address).headers["content-security-policy"]
    assert server.client.get(f"/nets/file/{name}").headers["content-disposition"].isascii()


@pytest.mark.parametrize("address", ["view", "picture", "explore", "file", "export/bundle", "download"])
@pytest.mark.parametrize("name", ["..%2f..%2fetc", "%2fetc", ".caffe-fcn", "nets/small?file=../../x", "nets%00"])
def test_what_is_no_net_is_not_found(server: Server, address: str, name: str) -> None:
    if "file=" in name and address in ("export/bundle", "download"):
        pytest.skip("these have no file")
    assert server.client.get(f"/nets/{address}/{name}").status_code in (404, 422)


def test_a_prototxt_that_is_a_link_is_not_shown(server: Server, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("layer { name: 'secret' }")
    folder = root / "nets/link"
    folder.mkdir(parents=True)
    (folder / "deploy.prototxt").symlink_to(tmp_path / "secret")
    for address in ("view", "file", "picture"):
        assert "secret" not in server.client.get(f"/nets/{address}/nets/link").text.replace(str(tmp_path), "")
    assert server.client.get("/nets/file/nets/link").status_code == 404


def test_a_bundle_is_made_packed_downloaded_and_imported(server: Server, root: Path) -> None:
    folder = root / "nets/weighed"
    folder.mkdir(parents=True)
    (folder / "deploy.prototxt").write_text(SMALL)
    random = np.random.default_rng(0)
    arrays = {"ip/0": random.normal(size=(4, 243)).astype("f4"), "ip/1": np.zeros(4, "f4")}
    np.savez(folder / "w.npz", **arrays)
    (folder / "model.json").write_text(
        json.dumps(
            {
                "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean": [1.0, 2.0, 3.0]}],
                "outputs": [{"blob": "ip", "kind": "scores", "classes": ["a", "b", "c", MARKUP]}],
            }
        )
    )
    assert "Make a bundle" in server.client.get("/nets/view/nets/weighed").text
    assert server.client.get("/nets/export/onnx/nets/weighed").status_code == 200
    finish(server, server.post("/nets/export/bundle/nets/weighed", {"name": "given", "weights": "", "softmax": "on"}))
    page = server.client.get("/nets/view/bundles/given").text
    assert "4 labels" in page and MARKUP not in page and "Card" in page
    finish(server, server.post("/nets/pack/bundles/given"))
    archive = server.client.get("/nets/download/bundles/given")
    assert 'filename="bundles-given.tar.gz"' in archive.headers["content-disposition"]
    with tarfile.open(fileobj=BytesIO(archive.content)) as opened:
        names = {Path(name).name for name in opened.getnames()}
    assert {"deploy.prototxt", "model.json", "labels.txt"} <= names
    files = {"upload": ("given.tar.gz", archive.content)}
    finish(server, server.post("/nets/new/bundle", {"name": "back", "file": ""}, files=files))
    back, given = (proto.read_net(root / name / "deploy.prototxt") for name in ("nets/back", "bundles/given"))
    assert [layer.type for layer in back.layer] == [layer.type for layer in given.layer]
    assert [layer.type for layer in given.layer][-1] == "Softmax"


def test_weights_are_kept_and_removed(server: Server, root: Path) -> None:
    np.savez(root / "own.npz", **{"ip/0": np.zeros((4, 3), "f4")})
    finish(
        server,
        server.post(
            "/models/add", {"name": "mine", "file": ""}, files={"upload": ("own.npz", (root / "own.npz").read_bytes())}
        ),
    )
    rows = {row["name"]: row for row in server.client.get("/api/models").json()["models"]}
    assert rows["mine"]["is_kept"] and not rows["mine"]["is_published"] and rows["alexnet"]["size"] == 243862414
    page = server.client.get("/models").text
    assert "/models/remove/mine" in page and "/models/get/alexnet" in page
    finish(server, server.post("/models/remove/mine"))
    assert "mine" not in {row["name"] for row in server.client.get("/api/models").json()["models"]}


def test_the_api_lists_what_the_pages_list(server: Server) -> None:
    files = {"upload": ("net.prototxt", SMALL.encode())}
    finish(server, server.post("/nets/new/text", {"name": "listed", "text": ""}, files=files))
    listed: list[dict[str, Any]] = server.client.get("/api/nets").json()["nets"]
    page = server.client.get("/nets").text
    assert "listed" in {each["name"].rpartition("/")[2] for each in listed}
    assert all(
        html.escape(each["name"], quote=False) in page.replace("&#34;", '"').replace("&#39;", "'") for each in listed
    )
    ways = {each["way"] for each in server.client.get("/api/nets/ways").json()["ways"]}
    assert ways == {"catalogue", "classifier", "digits", "onnx", "torch", "bundle", "text"}
    assert len(server.client.get("/api/nets/catalogue").json()["nets"]) == len(catalogue())


FEW = ("001-", "020-", "060-", "100-")


@pytest.mark.parametrize(
    "path",
    [
        path if path.name.startswith(FEW) else pytest.param(path, marks=pytest.mark.long)
        for path in (sorted(FORKS.iterdir()) if FORKS.is_dir() else [])
    ],
    ids=lambda path: path.name,
)
def test_public_nets_are_answered(server: Server, path: Path) -> None:
    text = path.read_text("utf-8", "replace")
    answer = server.client.post("/api/nets/check", json={"text": text, "markup": True}, timeout=90)
    assert answer.status_code == 200
    found = answer.json()
    assert "fault" in found or "late" in found or found["net"]["layers"]
