"""``caffe-fcn infer`` by both engines: label images, overlays, grey images; judged by pycaffe and by arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import PyCaffe
from command import Ran
from PIL import Image

from caffe_fcn.datasets.records.palette import make_voc_palette

Cli = Callable[..., Ran]


def net(channels: int, outputs: int, filler: str) -> str:
    """A deploy net of one 1x1 convolution."""
    return f"""
    layer {{ name: "data" type: "Input" top: "data"
      input_param {{ shape {{ dim: 1 dim: {channels} dim: 4 dim: 4 }} }} }}
    layer {{ name: "score" type: "Convolution" bottom: "data" top: "score"
      convolution_param {{ num_output: {outputs} kernel_size: 1 weight_filler {{ {filler} }} }} }}
    """


NETS = {
    "colour": net(3, 21, 'type: "gaussian" std: 1'),
    "many": net(3, 300, 'type: "gaussian" std: 1'),
    "grey": net(1, 1, 'type: "constant" value: 2'),
    "nan": net(1, 2, 'type: "constant" value: 1e38'),
    "vector": net(3, 2, 'type: "constant"')
    + 'layer { name: "pool" type: "Reduction" bottom: "score" top: "sum" reduction_param { axis: 1 } }',
    "depth": net(4, 2, 'type: "constant"'),
    # as the triangles net: patches of 4 x 4 pixels, and none for what is left over
    "patches": net(3, 4, 'type: "gaussian" std: 1')
    + """
    layer { name: "pool" type: "Convolution" bottom: "score" top: "pool"
      convolution_param { num_output: 4 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } } }
    layer { name: "drawn" type: "Deconvolution" bottom: "pool" top: "drawn"
      convolution_param { num_output: 4 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } } }
    """,
    "coarse": net(3, 4, 'type: "gaussian" std: 1')
    + """
    layer { name: "pool" type: "Pooling" bottom: "score" top: "pool" pooling_param { kernel_size: 3 stride: 3 } }
    """,
    "own": 'layer { name: "d" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 } } }',
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pycaffe: PyCaffe) -> Path:
    """A folder with the nets, their weights as real Caffe initialized them, and images."""
    folder = tmp_path_factory.mktemp("infer")
    for name, text in NETS.items():
        (folder / f"{name}.prototxt").write_text(text)
    pycaffe(
        """
        import os
        for name in os.listdir('.'):
            caffe.Net(name, caffe.TEST).save(name.replace('prototxt', 'caffemodel'))
        """,
        cwd=folder,
    )
    pixels = np.random.default_rng(1).integers(0, 256, (12, 17, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    Image.fromarray(pixels[..., 0]).save(folder / "outline.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    return folder


@pytest.fixture(params=["caffe", "torch"])
def infer(
    request: pytest.FixtureRequest, cli: Cli, made: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """``caffe-fcn infer`` by each engine, of the name of a net and further arguments."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    return lambda name, *more: cli("infer", f"{name}.prototxt", f"{name}.caffemodel", *more, "--engine", request.param)


MEAN = [104.00699, 116.66877, 122.67892]


@pytest.fixture(scope="module")
def bests(made: Path, pycaffe: PyCaffe) -> dict[str, np.ndarray]:
    """The best class per pixel of the photo for two nets, as pycaffe's users compute it."""
    source = """
        for name in ('colour', 'many'):
            net = caffe.Net(name + '.prototxt', name + '.caffemodel', caffe.TEST)
            image = inputs['photo'][:, :, ::-1] - inputs['mean']
            net.blobs['data'].reshape(1, 3, *image.shape[:2])
            net.blobs['data'].data[...] = image.transpose(2, 0, 1)
            outputs[name] = net.forward()['score'][0].argmax(axis=0)
    """
    photo = np.asarray(Image.open(made / "photo.png"))
    return pycaffe(source, cwd=made, photo=photo, mean=np.array(MEAN))


@pytest.fixture
def best(bests: dict[str, np.ndarray]) -> np.ndarray:
    return bests["colour"]


def test_the_label_image_holds_the_best_classes_in_vocs_colours(infer: Cli, best: np.ndarray, tmp_path: Path) -> None:
    ran = infer("colour", "photo.png", "-o", tmp_path / "new", "--mean", ",".join(map(str, MEAN)))
    assert ran.status == 0
    label = Image.open(tmp_path / "new/photo.png")
    assert label.mode == "P"
    np.testing.assert_array_equal(np.asarray(label), best)
    flat = label.getpalette()
    assert [tuple(flat[3 * i : 3 * i + 3]) for i in range(21)] == list(make_voc_palette(21))

    top = np.bincount(best.ravel()).argmax()
    assert f"photo.png: {top} {(best == top).mean():.1%}" in ran.out


def test_the_overlay_mixes_the_photo_and_the_colours(infer: Cli, best: np.ndarray, made: Path, tmp_path: Path) -> None:
    infer("colour", "photo.png", "-o", tmp_path, "--mean", ",".join(map(str, MEAN)))
    photo = np.asarray(Image.open(made / "photo.png")).astype(float)
    colours = np.array(make_voc_palette(21))[best]
    expected = np.where(best[..., None] == 0, photo, 0.4 * photo + 0.6 * colours)
    found = np.asarray(Image.open(tmp_path / "photo_overlay.png"))
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


def test_a_net_with_one_output_gives_a_grey_image(infer: Cli, made: Path, tmp_path: Path) -> None:
    ran = infer("grey", "outline.png", "-o", tmp_path, "--mean", "10", "--scale", "0.5")
    image = np.asarray(Image.open(made / "outline.png")).astype(float)
    expected = np.clip((image - 10) * 0.5 * 2, 0, 255)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "outline.png")), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["outline.png"]
    assert f"grey {expected.min():.0f} to {expected.max():.0f}" in ran.out


def test_a_colour_image_is_taken_as_grey_by_a_grey_net_and_the_other_way_round(infer: Cli, tmp_path: Path) -> None:
    assert infer("grey", "photo.png", "-o", tmp_path).status == 0
    assert infer("colour", "outline.png", "-o", tmp_path).status == 0


def test_more_than_256_classes_make_a_16_bit_label(infer: Cli, bests: dict[str, np.ndarray], tmp_path: Path) -> None:
    assert infer("many", "photo.png", "-o", tmp_path, "--mean", ",".join(map(str, MEAN))).status == 0
    label = np.asarray(Image.open(tmp_path / "photo.png"))
    assert label.dtype == np.uint16
    np.testing.assert_array_equal(label, bests["many"])
    assert Image.open(tmp_path / "photo_overlay.png").mode == "RGB"


def test_colours_and_names_of_a_file(infer: Cli, best: np.ndarray, tmp_path: Path) -> None:
    lines = [f"{10 * i} {255 - i} {i} class{i}" for i in range(21)]
    (tmp_path / "palette.txt").write_text("\n".join(lines))
    mean = ",".join(map(str, MEAN))
    ran = infer("colour", "photo.png", "-o", tmp_path, "--mean", mean, "--palette", tmp_path / "palette.txt")
    assert f"photo.png: class{np.bincount(best.ravel()).argmax()} " in ran.out
    assert Image.open(tmp_path / "photo.png").getpalette()[3:6] == [10, 254, 1]


def test_an_answer_for_a_part_of_the_image_stays_with_that_part(infer: Cli, made: Path, tmp_path: Path) -> None:
    ran = infer("patches", "photo.png", "-o", tmp_path)
    assert "note: photo.png: the net answers 12x16 for an image of 12x17: label and overlay show that part" in ran.err
    label, overlay = (np.asarray(Image.open(tmp_path / name)) for name in ("photo.png", "photo_overlay.png"))
    assert label.shape == overlay.shape[:2] == (12, 16)
    photo = np.asarray(Image.open(made / "photo.png"))[:, :16]
    expected = np.where(label[..., None] == 0, photo, 0.4 * photo + 0.6 * np.array(make_voc_palette(21))[label])
    assert np.abs(overlay - expected).max() <= 0.5 + 1e-6


def test_a_coarse_answer_is_stretched_to_the_image(infer: Cli, tmp_path: Path) -> None:
    ran = infer("coarse", "photo.png", "-o", tmp_path)
    assert "the net answers 4x6 for an image of 12x17: the label is stretched to the image" in ran.err
    label, overlay = (np.asarray(Image.open(tmp_path / name)) for name in ("photo.png", "photo_overlay.png"))
    assert label.shape == overlay.shape[:2] == (12, 17)
    assert (label[:3, :2] == label[0, 0]).all()


# net, arguments, what is said
BAD = {
    "no image": ("colour", ["none.png"], "none.png: no such file"),
    "not an image": ("colour", ["colour.prototxt"], "colour.prototxt: is not an image"),
    "an image cut off": ("colour", ["broken.jpg"], "broken.jpg: is"),
    "two of one name": ("colour", ["photo.png", "./photo.png"], "both would be out/photo.png"),
    "a mean of two": ("colour", ["photo.png", "--mean", "1,2"], "2 values for 3 channels"),
    "a mean of words": ("colour", ["photo.png", "--mean", "grey"], "'grey' is neither a list of numbers"),
    "no such blob": ("colour", ["photo.png", "--blob", "scor"], "has no blob 'scor' (did you mean score?)"),
    "no palette": ("colour", ["photo.png", "--palette", "none.txt"], "none.txt: no such file"),
    "infinite scores": ("nan", ["photo.png"], "gives infinity or nan"),
    "a classifier": ("vector", ["photo.png"], "not N x classes x height x width"),
    "four channels": ("depth", ["photo.png"], "does not take one image: its inputs are data 1x4x4x4"),
    "a net with its own data": ("own", ["photo.png"], "reads its own data (give a deploy net"),
    "no net": ("none", ["photo.png"], "none.prototxt: no such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(infer: Cli, case: str, made: Path) -> None:
    name, arguments, what = BAD[case]
    ran = infer(name, *arguments, "-o", "out")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert what in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (made / "out").exists()


def test_an_image_is_never_replaced(infer: Cli, made: Path) -> None:
    before = (made / "photo.png").read_bytes()
    ran = infer("colour", "photo.png", "-o", ".")
    assert ran.status == 2
    assert "would replace the image itself" in ran.err
    assert (made / "photo.png").read_bytes() == before


def test_a_full_disk_keeps_neither_the_label_nor_the_overlay(infer: Cli, small_disk: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (330, 330, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")  # whose label fits on the disk, and whose overlay does not
    ran = infer("colour", tmp_path / "noise.png", "-o", small_disk / "out")
    assert ran.status == 2
    assert "no space left on device" in ran.err
    assert list(small_disk.iterdir()) == []
