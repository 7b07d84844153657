"""Looking at a data set: the page in a real browser, and the sheet."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from PIL import Image

from caffe_fcn import datasets
from caffe_fcn.augmentation import parse_transforms
from caffe_fcn.datasets.formats import folder, triangles
from caffe_fcn.datasets.inspect import explore
from caffe_fcn.datasets.inspect.variations import make_variations
from caffe_fcn.datasets.records import palette, png

HOSTILE = "</script><img src=x onerror='window.broken=1'>\"&amp; {{data}}"
CLASSES = ["background", HOSTILE, "cat"]
COUNT = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red images with class 1 on the left; record 00 also has class 2 and an ignored row."""
    root = tmp_path_factory.mktemp("explore")
    for name in ("images", "labels"):
        (root / name).mkdir()
    for number in range(COUNT):
        image = np.zeros((3, 120, 160), np.uint8)
        image[2] = 200
        label = np.zeros((1, 120, 160), np.uint8)
        label[:, :, :40] = 1
        if number == 0:
            label[:, :60, 80:] = 2
            label[:, 100:] = 255
        (root / "images" / f"{number:02}.png").write_bytes(png.encode(image))
        (root / "labels" / f"{number:02}.png").write_bytes(png.encode(label))
    folder.build(
        root / "set",
        root / "images",
        root / "labels",
        val_percent=20,
        classes=CLASSES,
        encoding="grey",
        options=datasets.ImportOptions(shuffle=False),
    )
    shown = {
        split: (pairs, explore.make_views(pairs, 100, 256, workers=2))
        for split, pairs in ((name, datasets.open(root / "set", name)) for name in ("train", "val"))
    }
    (root / "page.html").write_text(explore.render_page(shown, HOSTILE))
    return root


@pytest.fixture
def page(browser: Browser, made: Path) -> Browser:
    browser.open(made / "page.html")
    assert browser.errors == []
    return browser


def pixel(page: Browser, view: int, image: int, x: int, y: int) -> list[int]:
    """R, G, B, A of a pixel in one image of one view of the first record."""
    wait = "new Promise(done => { const i = document.querySelectorAll('.view')[%d].querySelectorAll('img')[%d];"
    page._ask("Runtime.evaluate", expression=f"({wait % (view, image)} i.decode().then(done); }})", awaitPromise=True)
    return list(
        page.run(
            f"""(() => {{
            const image = document.querySelectorAll(".view")[{view}].querySelectorAll("img")[{image}];
            const canvas = Object.assign(document.createElement("canvas"), {{ width: 160, height: 120 }});
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return [...context.getImageData({x}, {y}, 1, 1).data];
            }})()"""
        )
    )


def texts(page: Browser, selector: str) -> list[str]:
    return list(page.run(f"[...document.querySelectorAll('{selector}')].map(e => e.textContent)"))


def test_the_page_loads_nothing_from_the_network(page: Browser, made: Path) -> None:
    assert [url for url in page.requests if not url.startswith("data:")] == [(made / "page.html").as_uri()]


def test_it_fits_a_phone(page: Browser, made: Path) -> None:
    page.view(375, 800)
    page.open(made / "page.html")
    assert page.overflows() == 0


def test_records_come_in_pages(page: Browser) -> None:
    assert page.run("document.querySelectorAll('figure').length") == 24
    assert texts(page, "figure:first-of-type .name") == ["00"]
    assert page.run("place.textContent") == "page 1 of 2, 32 of 32 records"
    page.press("ArrowRight")
    assert page.run("document.querySelectorAll('figure').length") == 8
    page.run("document.getElementById('back').click()")
    assert page.run("document.querySelectorAll('figure').length") == 24
    page.run("at('split').value = 1; at('split').onchange({ target: at('split') })")
    assert page.run("place.textContent") == "page 1 of 1, 8 of 8 records"


def test_a_record_shows_its_image_its_label_in_its_palette_and_the_overlay(page: Browser) -> None:
    red, green, blue, _ = pixel(page, 0, 0, 20, 30)
    assert abs(red - 200) < 6 and green < 6 and blue < 6  # thumbnails are JPEGs
    for x, y, value in ((20, 30, 1), (120, 30, 2), (60, 110, 255)):
        assert pixel(page, 1, 0, x, y) == [*palette.make_voc_palette()[value], 255]
    assert pixel(page, 1, 0, 60, 30)[3] == 0  # the black background lets the image through
    assert pixel(page, 2, 1, 120, 30) == [*palette.make_voc_palette()[2], 255]
    page.run("overlay.value = 20; overlay.oninput({ target: overlay })")
    second = "getComputedStyle(document.querySelectorAll('.view')[2].querySelectorAll('img')[1]).opacity"
    assert float(page.run(second)) == pytest.approx(0.2)


def test_the_histogram_shows_shares_and_filters(page: Browser) -> None:
    names = texts(page, ".class span:nth-child(3)")
    assert names == [*CLASSES, "ignored"]
    shares = [float(text.rstrip(" %")) / 100 for text in texts(page, ".share")]
    labels = np.concatenate([label.ravel() for _, label in datasets.open(Path(page.requests[0][7:]).parent / "set")])
    for share, value in zip(shares, (0, 1, 2, 255), strict=True):
        assert share == pytest.approx((labels == value).mean(), abs=6e-4)
    page.run("document.querySelectorAll('.class')[2].click()")
    assert texts(page, "figure .name") == ["00"]
    page.run("document.querySelectorAll('.class')[2].click()")
    assert page.run("document.querySelectorAll('figure').length") == 24


def test_names_are_text_whatever_they_say(page: Browser) -> None:
    assert page.run("window.broken") is None
    assert page.run("at('name').textContent") == HOSTILE
    assert any(text.startswith(HOSTILE) for text in texts(page, ".chip"))
    assert page.run("[...document.images].every(i => i.src.startsWith('data:'))") is True


def test_a_click_enlarges_a_record(page: Browser) -> None:
    narrow = page.run("document.querySelector('figure').clientWidth")
    page.run("document.querySelector('figure').click()")
    assert page.run("document.querySelector('figure').clientWidth") > 1.5 * narrow


def test_the_sheet_shows_image_label_overlay_and_the_legend(made: Path) -> None:
    pairs = datasets.open(made / "set")
    sheet = explore.render_sheet(pairs, explore.make_views(pairs, 4, 160), columns=2)
    image, label, overlay = (sheet[8 : 8 + 120, 8 + place * 168 :][:, :160] for place in range(3))
    assert (image == [200, 0, 0]).all()
    painted = palette.paint(pairs.label(0)[0], palette.make_voc_palette())
    assert (label == painted).all()
    assert (overlay[30, 60] == [200, 0, 0]).all()  # background
    np.testing.assert_allclose(overlay[30, 20], 0.45 * np.array([200, 0, 0]) + 0.55 * np.array([128, 0, 0]), atol=2)
    assert (sheet[-25:] == palette.make_voc_palette()[2]).all(axis=2).any()


def test_augmented_forms_stand_beside_their_record(browser: Browser, made: Path) -> None:
    """Mirror images: class 1 is on the right then."""
    transforms = parse_transforms("flip=1,crop=120x200")
    pairs = datasets.open(made / "set")
    views = explore.make_views(pairs, 3, 256, transforms=transforms)
    (made / "augmented.html").write_text(explore.render_page({"train": (pairs, views)}, HOSTILE, None, transforms))
    browser.open(made / "augmented.html")
    assert browser.errors == []
    assert texts(browser, "figure:first-of-type .done") == ["original", *["mirrored"] * 5]
    assert texts(browser, "#facts")[0].endswith("augmented by flip 1, crop 120 x 200")
    assert browser.run("document.querySelectorAll('figure:first-of-type img').length") == 12
    assert len(views[0].forms) == 5 and views[0].forms[0].image.size == (200, 120)
    label = np.asarray(views[0].forms[0].label)
    inside = np.flatnonzero((label != 255).any(axis=0))  # the window is wider than the image
    assert inside.size == 160
    np.testing.assert_array_equal(label[:, inside], pairs.label(0)[0][:, ::-1])


def test_the_sheet_shows_augmented_forms(made: Path) -> None:
    pairs = datasets.open(made / "set")
    sheet = explore.render_sheet(pairs, explore.make_views(pairs, 2, 160, transforms={"flip": 1}))
    overlays = [sheet[8 : 8 + 120, 8 + place * 168 :][:, :160] for place in range(6)]
    for form in overlays[1:]:
        np.testing.assert_array_equal(form, overlays[0][:, ::-1])
    assert not np.array_equal(overlays[0], overlays[0][:, ::-1])


def test_a_form_is_always_the_same(made: Path) -> None:
    pairs, transforms = datasets.open(made / "set"), parse_transforms("default")
    one, other = (list(make_variations(pairs, 3, transforms)) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        assert first.text == second.text
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.label, second.label)
    assert len({each.text for each in one}) == 5


def test_forms_of_a_set_with_a_class_for_each_image(tmp_path: Path, cli) -> None:
    """A database alone has no label images: the images alone are augmented."""
    triangles.build(tmp_path / "set", 4, val_percent=0)
    shutil.rmtree(tmp_path / "set/train_labels")
    (tmp_path / "set/dataset.json").unlink()
    pairs = datasets.open(tmp_path / "set/train_images")
    forms = list(make_variations(pairs, 0, parse_transforms("flip,colour")))
    assert len(forms) == 5 and all(form.label is None for form in forms)


def test_the_command_shows_forms_by_the_options_of_net_build(made: Path, tmp_path: Path, cli) -> None:
    ran = cli("data", "explore", made / "set", "--augmented", "-o", tmp_path / "a.html", "--count", 2)
    assert ran.status == 0 and "augmented by" in (tmp_path / "a.html").read_text()
    ran = cli("data", "explore", made / "set", "--augment", "rotate=5", "-o", tmp_path / "b.html", "--count", 2)
    assert ran.status == 0 and '"transforms":"rotate 5"' in (tmp_path / "b.html").read_text()
    ran = cli("data", "explore", made / "set", "--augment", "rotate=999", "-o", tmp_path / "c.html")
    assert ran.status == 2 and ran.err.startswith("error: --augment: rotate cannot be '999'")


def test_of_a_large_set_records_at_equal_distances_are_shown(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 100, val_percent=0)
    views = explore.make_views(datasets.open(tmp_path / "set"), 4, 32)
    assert [view.name for view in views] == ["00000000", "00000025", "00000050", "00000075"]


def test_the_command_writes_both_and_refuses_to_write_nothing(made: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "caffe_fcn", "data", "explore", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = run(str(made / "set"), "-o", "page.html", "--sheet", "sheet.png", "--count", "5")
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "sheet.png").mode == "RGB"
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    for wrong in ([str(made / "set")], ["nowhere", "-o", "x.html"], [str(tmp_path), "-o", "x.html"]):
        failed = run(*wrong)
        assert failed.returncode == 2 and failed.stderr.startswith("error: ") and failed.stderr.count("\n") == 1
    assert not (tmp_path / "x.html").exists()


def test_the_voc_photos_label_is_the_same_after_folder_lmdb_and_explore(shared: Path, tmp_path: Path, cli) -> None:
    demo = shared / "data" / "voc-demo"
    if not demo.is_dir():
        pytest.skip("../shared/data/voc-demo is not here")
    for kind, ending in (("image", "jpg"), ("label", "png")):
        (tmp_path / kind).mkdir()
        shutil.copy(demo / f"{kind}.{ending}", tmp_path / kind / f"demo.{ending}")
    folders = ("--images", tmp_path / "image", "--labels", tmp_path / "label")
    assert cli("data", "folder", *folders, "-o", tmp_path / "set").status == 0
    assert cli("data", "info", tmp_path / "set", "--check").status == 0
    assert cli("data", "explore", tmp_path / "set", "-o", tmp_path / "page.html", "--side", 1024).status == 0
    label = Image.open(demo / "label.png")
    pairs = datasets.open(tmp_path / "set")
    ((image, values),) = pairs
    assert pairs.about is not None and pairs.about.palette == [list(colour) for colour in palette.make_voc_palette()]
    assert (values == np.asarray(label)[None]).all()
    assert (image == np.asarray(Image.open(demo / "image.jpg"))[:, :, ::-1].transpose(2, 0, 1)).all()
    page = (tmp_path / "page.html").read_text()
    (data,) = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page)
    (record,) = json.loads(data)["splits"][0]["records"]
    shown = Image.open(io.BytesIO(base64.b64decode(record["label"].partition(",")[2])))
    assert (np.asarray(shown.convert("RGB")) == np.asarray(label.convert("RGB"))).all()
    assert record["shares"] == {
        str(value): pytest.approx((np.asarray(label) == value).mean()) for value in np.unique(np.asarray(label))
    }
