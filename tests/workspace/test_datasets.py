"""Data sets in the browser: what a form builds, what a preview finds, what the explorer shows, what is refused."""

from __future__ import annotations

import html
import io
import json
import shutil
import socket
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from workspace.server import Server, start_server

from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.formats import folder
from caffe_fcn.workspace import contents, trash
from caffe_fcn.workspace.explorer.facts import read_facts
from caffe_fcn.workspace.forms import datasets as form_of
from caffe_fcn.workspace.forms.fields import FormError
from caffe_fcn.workspace.settings import Settings

MARKUP = "<img src=x onerror=alert(1)>"
NAMES = ["background", MARKUP, "road"]
ROADS = "datasets/roads"


def make_pairs(root: Path, count: int = 9) -> dict[str, NDArray[np.uint8]]:
    """Photos and masks in ``root``; returns the masks by name."""
    random = np.random.RandomState(0)
    masks = {}
    for folder_name in ("photos", "masks"):
        (root / folder_name).mkdir(parents=True)
    for i in range(count):
        height, width = (40, 60) if i % 2 else (30, 50)
        mask = np.zeros((height, width), np.uint8)
        mask[2 : 2 + 3 * i, 5:25] = 1
        if i % 3 == 0:
            mask[-5:, 30:40] = 2
        mask[0] = 255
        masks[f"p{i}"] = mask
        pixels = random.randint(0, 255, (height, width, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / "photos" / f"p{i}.png")
        Image.fromarray(mask).save(root / "masks" / f"p{i}.png")
    return masks


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, NDArray[np.uint8]]]:
    root = tmp_path_factory.mktemp("space") / "space"
    masks = make_pairs(root)
    options = ImportOptions(allow=["one-class"])
    folder.build(root / ROADS, root / "photos", root / "masks", val_percent=0, classes=NAMES, options=options)
    job = root / "digits" / "20160803-1234"
    for split in ("train", "val"):
        for kind, database in (("features", "train_images"), ("labels", "train_labels")):
            shutil.copytree(root / ROADS / database, job / f"{split}_db" / kind)
    shutil.copytree(root / ROADS / "train_images", root / "alone_lmdb")
    strange = root / "datasets" / MARKUP.replace("/", "")
    shutil.copytree(root / ROADS, strange)
    lines = (strange / "train.txt").read_text().splitlines()
    (strange / "train.txt").write_text("\n".join([MARKUP, *lines[1:]]) + "\n")
    return root, masks


@pytest.fixture(scope="module")
def server(made: tuple[Path, Any]) -> Iterator[Server]:
    server = start_server(made[0])
    yield server
    server.close()


def wait_for_index(server: Server, name: str, **query: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while True:
        answer = server.client.get("/api/datasets/records", params={"name": name, **query}).json()
        if answer["ready"]:
            return dict(answer)
        assert time.monotonic() < end, answer
        time.sleep(0.1)


def test_data_sets_are_found_whoever_made_them(made: tuple[Path, Any], server: Server) -> None:
    known = {each["name"]: each for each in server.client.get("/api/datasets").json()["datasets"]}
    assert known[ROADS]["splits"] == {"train": 9}
    assert known["digits/20160803-1234"]["splits"] == {"train": 9, "val": 9}
    assert known["alone_lmdb"]["splits"] == {"all": 9}
    assert {each.name for each in contents.find(Settings(made[0])).datasets} == set(known)
    page = server.client.get("/datasets").text
    assert all(name in page for name in (ROADS, "digits/20160803-1234", "alone_lmdb"))


def test_records_are_filtered_and_sorted_as_the_masks_say(made: tuple[Path, Any], server: Server) -> None:
    shares = {name: float((mask == 1).mean()) for name, mask in made[1].items() if (mask == 1).any()}
    answer = wait_for_index(server, ROADS, **{"class": "1", "sort": "share"})
    assert answer["count"] == len(shares) == 8
    found = [(each["name"], each["share"]) for each in answer["records"]]
    assert [share for _, share in found] == pytest.approx(sorted(shares.values(), reverse=True))
    assert dict(found) == pytest.approx(shares)
    with_road = {name for name, mask in made[1].items() if (mask == 2).any()}
    answer = wait_for_index(server, ROADS, **{"class": "2"})
    assert {each["name"] for each in answer["records"]} == with_road
    for size, sentence in (((40, 60), "1 record matches"), ((30, 50), "2 records match")):
        assert int(sentence[0]) == sum(made[1][name].shape == size for name in with_road)
        address = f"/datasets/view/{ROADS}?class=2&size={size[0]}x{size[1]}"
        assert sentence in server.client.get(address).text


def test_the_page_has_the_pixels_of_each_class(made: tuple[Path, Any], server: Server) -> None:
    wait_for_index(server, ROADS)
    page = server.client.get(f"/datasets/view/{ROADS}").text
    for value in (0, 1, 2, 255):
        assert f"{sum(int((mask == value).sum()) for mask in made[1].values()):,}</td>" in page
    assert f">{sum((mask == 2).any() for mask in made[1].values())}</td>" in page


def test_pictures_are_those_of_the_record(made: tuple[Path, Any], server: Server) -> None:
    records = wait_for_index(server, ROADS)["records"]
    record = next(each for each in records if each["name"] == "p5")
    mask = made[1]["p5"]

    def load(what: str, side: int) -> Image.Image:
        query = {"split": "train", "index": record["index"], "what": what, "side": side}
        return Image.open(io.BytesIO(server.client.get(f"/datasets/picture/{ROADS}", params=query).content))

    photo = Image.open(made[0] / "photos" / "p5.png")
    assert np.array_equal(np.asarray(load("values", 0)), mask)
    assert np.array_equal(np.asarray(load("image", 0).convert("RGB")), np.asarray(photo))
    overlay = np.asarray(load("overlay", 160).convert("RGB")).astype(int)
    blended = 0.45 * np.asarray(photo).astype(int)[mask == 1] + 0.55 * np.array([128, 0, 0])  # VOC's second colour
    assert abs(overlay[mask == 1] - blended).max() <= 1.5
    assert np.array_equal(overlay[mask == 0], np.asarray(photo)[mask == 0])


@pytest.mark.parametrize("name", ["digits/20160803-1234", "alone_lmdb"])
def test_data_sets_of_others_have_their_page(server: Server, name: str) -> None:
    assert server.client.get(f"/datasets/view/{name}").status_code == 200
    assert server.client.get(f"/datasets/record/{name}?index=2").status_code == 200
    split = "all" if name == "alone_lmdb" else "val"
    picture = server.client.get(f"/datasets/picture/{name}?split={split}&index=2&side=96")
    assert picture.headers["content-type"].startswith("image/")


def test_markup_in_every_name_stays_text(made: tuple[Path, Any], server: Server) -> None:
    name = f"datasets/{MARKUP}"
    quoted = quote(name)
    wait_for_index(server, name)
    (made[0] / "datasets" / MARKUP / "faults.json").write_text(
        json.dumps({"faults": [{"check": MARKUP, "where": MARKUP, "what": MARKUP}], "splits": {}})
    )
    (made[0] / MARKUP).mkdir(exist_ok=True)
    addresses = (
        "/datasets", f"/datasets/view/{quoted}", f"/datasets/view/{quoted}?class=1&sort=share&split={quote(MARKUP)}",
        f"/datasets/record/{quoted}?index=0", "/datasets/browse?path=.", f"/datasets/browse?path={quote(MARKUP)}",
        f"/datasets/new?kind=folder&images={quote(MARKUP)}&name={quote(MARKUP)}", f"/datasets/new?kind={quote(MARKUP)}",
        f"/datasets/view/{quote(MARKUP)}x",
    )  # fmt: skip
    for address in addresses:
        page = server.client.get(address).text
        assert "&lt;img" in page, address
        assert "<img src=x" not in page, address
    sent = {field.name: MARKUP for field in form_of.KINDS["folder"].fields}
    for do in ("build", "preview"):
        page = server.post("/datasets/new?kind=folder", {**sent, "do": do}).text
        assert "&lt;img" in page
        assert "<img src=x" not in page
    server.post(f"/trash/move?name={quoted}")
    page = server.client.get("/trash").text
    assert "&lt;img" in page
    assert "<img src=x" not in page


def test_a_form_builds_what_it_shows(made: tuple[Path, Any], server: Server) -> None:
    given = {
        "name": "small", "images": "photos", "labels": "masks", "classes": "background\ncar\nroad", "resize": "16x24",
        "validation": "share", "val_percent": "25", "allow": ["", "one-class"], "seed": "7", "do": "build",
    }  # fmt: skip
    answer = server.post("/datasets/new?kind=folder", given)
    assert answer.status_code == 303, answer.text
    job = server.client.get("/api/jobs/1?wait=60").json()
    assert job["state"] == "done", job
    assert "--resize 16x24" in job["commands"][0]
    about = json.loads((made[0] / "datasets" / "small" / "dataset.json").read_text())
    assert about["classes"] == ["background", "car", "road"]
    assert {name: split["count"] for name, split in about["splits"].items()} == {"train": 7, "val": 2}
    assert about["splits"]["train"]["statistics"]["sizes"] == [[16, 24, 7]]
    assert server.client.get("/datasets/view/datasets/small").status_code == 200
    (made[0] / "datasets/small/dataset.json").write_text(json.dumps({**about, "classes": ["background", "car"]}))
    checked = server.post("/datasets/check/datasets/small")
    assert checked.status_code == 303
    server.client.get("/api/jobs/2?wait=60")
    faults = json.loads((made[0] / "datasets" / "small" / "faults.json").read_text())["faults"]
    page = server.client.get("/datasets/view/datasets/small").text
    assert {fault["check"] for fault in faults} == {"outside"}  # the class that was taken from the description
    assert all(html.escape(fault["what"]) in page for fault in faults)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    make_pairs(tmp_path / "space")
    return tmp_path / "space"


def preview(root: Path, **given: Any) -> Any:
    form = {"kind": "folder", "images": "photos", "labels": "masks", "allow": ["one-class"], **given}
    return form_of.make_preview(Settings(root), form, 24)


def test_a_preview_of_what_is_right(pairs: Path) -> None:
    made = preview(pairs, classes="3")
    assert made.error is None
    assert made.preview.counts == {"train": 8, "val": 1}
    assert sorted(made.preview.values) == [0, 1, 2, 255]


def test_a_preview_names_each_fault_beside_its_field(pairs: Path) -> None:
    (pairs / "masks" / "p1.png").unlink()
    assert preview(pairs).error.fields.keys() == {"labels"}
    Image.new("L", (9, 9), 1).save(pairs / "masks" / "p1.png")
    assert "9x9" in preview(pairs).error.fields["labels"]
    (pairs / "masks" / "p1.png").unlink()
    (pairs / "photos" / "p1.png").unlink()
    made = preview(pairs, classes="2")
    assert made.preview.fault_counts["outside"] == 3  # p0, p3 and p6 have class 2
    assert "2 classes" in made.error.fields["classes"]
    with pytest.raises(FormError) as caught:
        Image.open(pairs / "masks" / "p2.png").save(pairs / "masks" / "p2.jpg", quality=50)
        (pairs / "masks" / "p2.png").unlink()
        for i in range(9):
            if i not in (1, 2):
                (pairs / "masks" / f"p{i}.png").unlink()
                (pairs / "photos" / f"p{i}.png").unlink()
        preview(pairs)
    assert "JPEG" in caught.value.fields["labels"]


def test_labels_in_colours_get_their_lines_proposed(pairs: Path) -> None:
    colours = np.array([[0, 0, 0], [10, 20, 30], [200, 0, 0]], np.uint8)
    for path in (pairs / "masks").iterdir():
        mask = np.asarray(Image.open(path))
        Image.fromarray(colours[np.where(mask == 255, 0, mask)]).save(path)
    with pytest.raises(FormError) as caught:
        preview(pairs)
    lines = form_of.propose_colours(caught.value)
    assert {tuple(map(int, line.split()[:3])) for line in lines.splitlines()} == set(map(tuple, colours.tolist()))
    made = preview(pairs, colours=lines)
    assert made.error is None
    assert made.classes == ("class0", "class1", "class2")


@pytest.mark.parametrize("path", ["/etc", "../outside", "photos/../../outside", "link", "/", ".caffe-fcn", "no such"])
def test_paths_outside_are_refused(pairs: Path, path: str) -> None:
    (pairs.parent / "outside").mkdir()
    (pairs / "link").symlink_to(pairs.parent / "outside")
    (pairs / ".caffe-fcn").mkdir()
    for make in (form_of.make_task, lambda settings, given: form_of.make_preview(settings, given, 4)):
        with pytest.raises(FormError) as caught:
            make(Settings(pairs), {"kind": "folder", "name": "x", "images": path, "labels": "masks"})
        assert caught.value.fields.keys() == {"images"}
    assert not (pairs / "datasets").exists()


def test_a_list_cannot_name_files_outside(pairs: Path) -> None:
    secret = pairs.parent / "secret.png"
    Image.new("L", (5, 5)).save(secret)
    (pairs / "list.txt").write_text(f"{secret}\n")
    with pytest.raises(FormError) as caught:
        preview(pairs, images="list.txt", labels="list.txt")
    assert "secret" in caught.value.fields["images"]
    with pytest.raises(FormError):
        form_of.make_task(Settings(pairs), {"kind": "voc", "name": "x", "path": "photos", "train_split": "/etc/passwd"})


def test_names_cannot_become_options(pairs: Path) -> None:
    (pairs / "-photos").mkdir()
    task = form_of.make_task(Settings(pairs), {"kind": "voc", "name": "v", "path": "-photos", "sbdd": "-photos"})
    assert [word for word in task.commands[0] if word.startswith("-p")] == []
    for name in ("-x", "../x", "a/../../x", "", "x\ny", ".hidden"):
        with pytest.raises(FormError) as caught:
            form_of.make_task(Settings(pairs), {"kind": "triangles", "name": name})
        assert "name" in caught.value.fields


@pytest.mark.parametrize("kind", [*form_of.KINDS])
def test_every_command_line_is_one_that_the_program_takes(pairs: Path, kind: str) -> None:
    from caffe_fcn.cli.data import data

    table = form_of.KINDS[kind].fields
    given: dict[str, Any] = {"kind": kind, "name": "made"}
    for each in table:
        if each.kind.value == "path":
            given[each.name] = "photos"
        elif each.kind.value in ("integer", "number") and each.name != "year":
            given[each.name] = str(int(each.most or 50) if (each.most or 0) < 100 else 51)
        elif each.kind.value == "flag":
            given[each.name] = "off" if each.default else "on"
        elif each.kind.value == "choice":
            given[each.name] = each.choices[-1].value
        elif each.kind.value == "several":
            given[each.name] = [choice.value for choice in each.choices]
    given.update({"validation": "folders"} if kind == "folder" else {})
    words = form_of.make_task(Settings(pairs), given).commands[0]
    assert words[:2] == ("data", kind)
    command = data.commands[kind]
    context = command.make_context(kind, list(words[2:]))
    assert not context.args
    assert str(context.params["output"]) == "datasets/made"


def test_an_upload_is_unpacked_and_its_folders_are_guessed(made: tuple[Path, Any], server: Server) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for kind in ("photos", "masks"):
            for path in (made[0] / kind).iterdir():
                archive.write(path, f"set/{kind}/{path.name}")
    answer = server.post("/datasets/upload", {"name": ""}, files={"archive": ("my set.zip", packed.getvalue())})
    assert answer.status_code == 303, answer.text
    assert "images=uploads%2Fmy_set%2Fset%2Fphotos" in answer.headers["location"]
    assert "labels=uploads%2Fmy_set%2Fset%2Fmasks" in answer.headers["location"]
    assert len([*(made[0] / "uploads").rglob("*.png")]) == 18
    several = [("images", ("a.png", b"1")), ("images", ("b.png", b"2")), ("labels", ("a.png", b"3"))]
    answer = server.post("/datasets/upload", {"name": "few"}, files=several)
    found = {each.relative_to(made[0] / "uploads/few").as_posix() for each in (made[0] / "uploads/few").rglob("*.png")}
    assert found == {"images/a.png", "images/b.png", "labels/a.png"}


def list_leftovers(root: Path) -> list[str]:
    return sorted(
        each.as_posix() for place in (root / "uploads", root / ".caffe-fcn/uploads") for each in place.glob("*")
    )


def test_a_zip_bomb_leaves_nothing(made: tuple[Path, Any], server: Server) -> None:
    before = list_leftovers(made[0])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"{i}.png", bytes(23 << 20))
    assert len(packed.getvalue()) < 200_000
    headers = {"accept": "application/json", "x-caffe-fcn": "1"}
    files = {"archive": ("bomb.zip", packed.getvalue())}
    answer = server.client.post("/api/datasets/upload", files=files, headers=headers)
    assert answer.status_code == 422
    assert "200 times its size" in answer.json()["error"]["what"]
    assert list_leftovers(made[0]) == before


def test_a_claim_of_ten_gigabytes_is_refused_before_anything_is_read(server: Server) -> None:
    address = urlsplit(server.url)
    head = (
        f"POST /api/datasets/upload HTTP/1.1\r\nHost: {address.netloc}\r\nx-caffe-fcn: 1\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {10 << 30}\r\n\r\n"
    )
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as link:
        link.sendall(head.encode())
        answer = link.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("page", ["view", "record", "picture", "page"])
def test_no_address_leads_outside(server: Server, page: str) -> None:
    for path in ("..%2f..%2fetc", "%2fetc", ".caffe-fcn", "..%2fspace.stderr", "photos%00"):
        assert server.client.get(f"/datasets/{page}/{path}").status_code in (404, 422)
    assert server.client.get("/datasets/browse?path=/etc").status_code == 422


def test_the_trash_gives_back_what_it_got(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    (tmp_path / "datasets/a").mkdir(parents=True)
    (tmp_path / "datasets/a/x").write_text("1")
    moved = trash.move(settings, "datasets/a")
    assert not (tmp_path / "datasets/a").exists()
    assert [each.name for each in trash.list_all(settings)] == ["datasets/a"]
    trash.restore(settings, moved.key)
    assert (tmp_path / "datasets/a/x").read_text() == "1"
    again = trash.move(settings, "datasets/a")
    (tmp_path / "datasets/a").mkdir()
    with pytest.raises(Exception, match="is there already"):
        trash.restore(settings, again.key)
    for key in ("../..", "", again.key + "x"):
        with pytest.raises(Exception, match="nothing of this key"):
            trash.delete(settings, key)
    assert trash.empty(settings) == 1
    assert not trash.list_all(settings)
    with pytest.raises(Exception, match=r"not inside|belongs"):
        trash.move(settings, "..")


def test_facts_change_with_the_databases(tmp_path: Path) -> None:
    make_pairs(tmp_path, 4)
    options = ImportOptions(allow=["one-class"])
    folder.build(tmp_path / "set", tmp_path / "photos", tmp_path / "masks", val_percent=0, options=options)
    first = read_facts(tmp_path / "set")
    assert read_facts(tmp_path / "set") is first
    folder.build(tmp_path / "set", tmp_path / "photos", tmp_path / "masks", val_percent=50, options=options)
    assert read_facts(tmp_path / "set").identity != first.identity
    assert {name: split.count for name, split in read_facts(tmp_path / "set").splits.items()} == {"train": 2, "val": 2}
