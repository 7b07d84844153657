"""Folders of images and labels into LMDBs, judged by real Caffe's Data layers and by Pillow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from epochs import by_caffe, files_by_caffe
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from caffe_fcn import datasets
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.build.record_format import RecordFormat
from caffe_fcn.datasets.formats import folder
from caffe_fcn.datasets.records import labels, palette, png
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.errors import DatasetError, FileError

CLASSES = 5
VOC_FLAT = [value for colour in palette.make_voc_palette() for value in colour]


class Source:
    """A folder of images and one of paletted labels; what is in them is kept as arrays."""

    def __init__(self, root: Path, count: int, kind: str, seed: int = 0) -> None:
        self.images, self.labels = root / "images", root / "labels"
        self.rgb: dict[str, np.ndarray] = {}
        self.classes: dict[str, np.ndarray] = {}
        for path in (self.images, self.labels):
            path.mkdir(parents=True)
        for number in range(count):
            self.add(f"pic_{number:02}", kind, np.random.default_rng((seed, number)))

    def add(self, name: str, kind: str, random: np.random.Generator) -> None:
        height, width = random.integers(20, 50, 2)
        coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        label = random.integers(0, CLASSES, (height, width), np.uint8)
        label[0, :3] = 255
        image.save(self.images / f"{name}.{kind}")
        paletted(label).save(self.labels / f"{name}.png")
        self.rgb[name], self.classes[name] = np.array(Image.open(self.images / f"{name}.{kind}")), label

    def build(self, output: Path, **options: object) -> Path:
        """All pairs are for training, unless the options say otherwise."""
        classes = [f"c{i}" for i in range(CLASSES)]
        folder.build(output, self.images, self.labels, **{"classes": classes, "val_percent": 0, **options})  # type: ignore[arg-type]
        return output


def paletted(label: np.ndarray, colours: list[int] = VOC_FLAT) -> Image.Image:
    image = Image.fromarray(label, "P")
    image.putpalette(colours)
    return image


def bgr(rgb: np.ndarray) -> np.ndarray:
    return rgb[:, :, ::-1].transpose(2, 0, 1)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path, 6, "png")


@pytest.mark.caffe
@pytest.mark.parametrize(("images_as", "labels_as"), [("raw", "raw"), ("png", "png"), ("raw", "png")])
def test_real_caffe_reads_every_pixel_of_image_and_label_in_step_over_a_whole_epoch(
    source: Source, tmp_path: Path, pycaffe, images_as: str, labels_as: str
) -> None:
    stored = RecordFormat(image_encoding=images_as, label_encoding=labels_as)
    made = source.build(tmp_path / "set", options=ImportOptions(stored))
    names = (made / "train.txt").read_text().split()
    blobs = by_caffe(pycaffe, tmp_path, 2 * len(names), data=made / "train_images", label=made / "train_labels")
    assert sorted(names) == sorted(source.rgb)
    assert names != sorted(names)  # shuffled
    for place, name in enumerate(names * 2):  # the second epoch begins where the first did
        assert (blobs["data"][place] == bgr(source.rgb[name])).all()
        assert (blobs["label"][place] == source.classes[name][None]).all()


@pytest.mark.caffe
def test_kept_jpegs_are_the_files_and_decode_in_caffe_as_the_files_do(tmp_path: Path, pycaffe) -> None:
    source = Source(tmp_path, 5, "jpg")
    made = source.build(tmp_path / "set", options=ImportOptions(RecordFormat(image_encoding="jpeg")))
    pairs = datasets.open(made)
    files = [source.images / f"{name}.jpg" for name in pairs.names]
    from caffe_fcn.proto import Datum

    assert [Datum.FromString(value).data for value in pairs.images] == [path.read_bytes() for path in files]
    blobs = by_caffe(pycaffe, tmp_path, len(files), data=made / "train_images")["data"]
    for blob, file in zip(blobs, files_by_caffe(pycaffe, tmp_path, files), strict=True):
        assert (blob == file).all()


@pytest.mark.caffe
def test_resized_converted_and_palette_images_reach_caffe_as_they_are_read_back(tmp_path: Path, pycaffe) -> None:
    source = Source(tmp_path, 3, "png")
    Image.open(source.images / "pic_00.png").quantize(16).save(source.images / "pic_00.png")  # paletted photo
    Image.open(source.images / "pic_01.png").convert("L").save(source.images / "pic_01.png")  # grey photo
    form = RecordFormat(channels="rgb", size=(24, 40), resize_mode="fill")
    made = source.build(tmp_path / "set", options=ImportOptions(form))
    blobs = by_caffe(pycaffe, tmp_path, 3, data=made / "train_images", label=made / "train_labels")
    for place, (image, label) in enumerate(datasets.open(made)):
        assert image.shape == (3, 24, 40)
        assert (blobs["data"][place] == image).all()
        assert (blobs["label"][place] == label).all()


@pytest.mark.caffe
def test_the_mean_file_is_the_one_that_compute_image_mean_writes(tmp_path: Path, caffe_bin: Path) -> None:
    source = Source(tmp_path, 7, "png")
    made = source.build(tmp_path / "set", options=ImportOptions(RecordFormat(size=(21, 30))))
    tool, theirs = caffe_bin.parent / "compute_image_mean", tmp_path / "theirs"
    subprocess.run([tool, "--backend=lmdb", made / "train_images", theirs], check=True, capture_output=True)
    assert (made / "mean.binaryproto").read_bytes() == theirs.read_bytes()


@pytest.mark.caffe
def test_caffe_subtracts_the_mean_file_in_transform_param(tmp_path: Path, pycaffe) -> None:
    source = Source(tmp_path, 4, "png")
    made = source.build(tmp_path / "set", options=ImportOptions(RecordFormat(size=(21, 30))))
    transform = f'transform_param {{ mean_file: "{made / "mean.binaryproto"}" }}'
    blobs = by_caffe(pycaffe, tmp_path, 4, transform, data=made / "train_images")["data"]
    images = np.stack([image for image, _ in datasets.open(made)]).astype(np.float64)
    np.testing.assert_allclose(np.stack(blobs), images - images.mean(axis=0), atol=1e-4)


@pytest.mark.caffe
def test_caffe_weighs_classes_by_the_infogain_matrix(source: Source, tmp_path: Path, pycaffe) -> None:
    """With equal scores every pixel costs log K, times the weight of its class."""
    made = source.build(tmp_path / "set")
    weights = json.loads((made / "dataset.json").read_text())["splits"]["train"]["statistics"]["weights"]
    labels = np.arange(CLASSES, dtype=np.float32).reshape(CLASSES, 1, 1, 1)
    net = tmp_path / "infogain.prototxt"
    net.write_text(
        f'''input: "score" input_shape {{ dim: {CLASSES} dim: {CLASSES} dim: 1 dim: 1 }}
        input: "label" input_shape {{ dim: {CLASSES} dim: 1 dim: 1 dim: 1 }}
        layer {{ name: "loss" type: "InfogainLoss" bottom: "score" bottom: "label" top: "loss"
                 infogain_loss_param {{ source: "{made / "infogain.binaryproto"}" }} }}'''
    )
    loss = pycaffe(
        """
        net = caffe.Net(str(inputs['net']), caffe.TEST)
        net.blobs['label'].data[...] = inputs['labels']
        outputs['loss'] = net.forward()['loss']
        """,
        net=net,
        labels=labels,
    )["loss"]
    assert float(loss) == pytest.approx(np.log(CLASSES) * np.mean(weights), rel=1e-5)


def test_labels_of_all_three_encodings_mean_the_same_classes(source: Source, tmp_path: Path) -> None:
    made = [source.build(tmp_path / "palette")]
    colours = dict(enumerate(palette.make_voc_palette()))
    for name, label in source.classes.items():
        Image.fromarray(label).save(source.labels / f"{name}.png")
    made.append(source.build(tmp_path / "grey"))
    for name, label in source.classes.items():
        paletted(label).convert("RGB").save(source.labels / f"{name}.png")
    made.append(source.build(tmp_path / "rgb", colours=colours))
    for name, (path) in zip(("palette", "grey", "rgb"), made, strict=True):
        pairs = datasets.open(path)
        assert pairs.about is not None and pairs.about.options["encoding"] == name
        for record, (_, label) in zip(pairs.names, pairs, strict=True):
            assert (label[0] == source.classes[record]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from(["P", "L"]), st.booleans())
@example(300, 300, 0, "P", False)  # more than one chunk of pixels
def test_a_palette_becomes_grey_without_touching_the_pixels(
    height: int, width: int, seed: int, mode: str, optimize: bool
) -> None:
    import io

    label = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    buffer = io.BytesIO()
    (paletted(label) if mode == "P" else Image.fromarray(label)).save(buffer, "PNG", optimize=optimize)
    parts = png.split(buffer.getvalue())
    assert parts is not None and parts.holds_values
    image = Image.open(io.BytesIO(png.to_grey(parts)))
    assert image.mode == "L" and (np.array(image) == label).all()


def test_a_png_is_not_taken_apart_where_its_checksum_is_wrong_or_its_end_is_missing() -> None:
    import io

    buffer = io.BytesIO()
    paletted(np.arange(20, dtype=np.uint8)[None]).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[data.index(b"IEND") - 8] ^= 1  # in the checksum of the pixels before it
    assert png.split(buffer.getvalue()) and png.split(bytes(data)) is None
    for cut in range(len(data)):
        assert png.split(buffer.getvalue()[:cut]) is None


def test_a_grey_label_with_a_palette_beside_it_is_grey() -> None:
    import io

    files = [io.BytesIO(), io.BytesIO()]
    label = np.arange(20, dtype=np.uint8)[None]
    for image, file in zip((Image.fromarray(label), paletted(label)), files, strict=True):
        image.save(file, "PNG")
    grey, indexed = (file.getvalue() for file in files)
    start = indexed.index(b"PLTE") - 4
    data = grey[:33] + indexed[start : start + 12 + int.from_bytes(indexed[start : start + 4], "big")] + grey[33:]
    assert Image.open(io.BytesIO(data)).mode == "L"
    found = labels.detect(data, "label.png", None)
    assert found.encoding == "grey"
    assert (found.read(data, "label.png")[0] == label).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3]), st.booleans(), st.integers(0, 2**32 - 1))
def test_pillow_reads_the_pngs_that_are_written(height: int, width: int, channels: int, photo: bool, seed: int) -> None:
    import io

    array = np.random.default_rng(seed).integers(0, 256, (channels, height, width), np.uint8)
    back = np.array(Image.open(io.BytesIO(png.encode(array, photo))))
    assert (back == (array[0] if channels == 1 else array[::-1].transpose(1, 2, 0))).all()


@pytest.mark.parametrize("mode", ["squash", "crop", "fill", "half-crop"])
@settings(max_examples=25, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 60)] * 4))
def test_image_and_label_stay_together_through_every_resize(mode, sizes: tuple[int, int, int, int]) -> None:
    """An image in which a pixel's colour tells its class: after resizing, each still tells the other's."""
    height, width, *target = sizes
    top = np.zeros((height, width), np.uint8)
    top[: height // 2] = 200
    form = RecordFormat(size=(target[0], target[1]), resize_mode=mode)
    image = form.convert_image(png.encode(top[None]), "", Rules(classes=None))
    from caffe_fcn.datasets.records import datum

    stored = datum.to_array(datum.parse(image.record, ""), "")[0].astype(int)
    label = datum.to_array(datum.parse(form.convert_label(top, 255), ""), "")[0].astype(int)
    assert stored.shape == label.shape == (target[0], target[1])
    framed = label == 255
    assert (stored[framed] == 0).all()
    assert framed.any() <= (mode in ("fill", "half-crop"))
    sure = (stored == 0) | (stored == 200)  # not blended
    assert (stored[sure & ~framed] == label[sure & ~framed]).all()


def test_a_crop_keeps_the_middle_and_a_frame_surrounds_it() -> None:
    label = np.arange(6, dtype=np.uint8).reshape(1, 6).repeat(2, axis=0)
    from caffe_fcn.datasets.records import datum

    def resized(mode, size: tuple[int, int]) -> list[list[int]]:
        record = RecordFormat(size=size, resize_mode=mode).convert_label(label, 255)
        return datum.to_array(datum.parse(record, ""), "")[0].tolist()

    assert resized("crop", (2, 2)) == [[2, 3], [2, 3]]
    assert resized("fill", (4, 6)) == [[255] * 6, [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [255] * 6]
    assert resized("squash", (1, 3)) == [[1, 3, 5]]


def test_a_percentage_or_folders_make_the_validation_set(source: Source, tmp_path: Path) -> None:
    made = source.build(tmp_path / "percent", val_percent=34)
    train, val = (set(datasets.open(made, split).names) for split in ("train", "val"))
    assert len(val) == 2 and not train & val and train | val == set(source.rgb)
    other = Source(tmp_path / "other", 3, "png", seed=9)
    made = source.build(tmp_path / "folders", val_images=other.images, val_labels=other.labels)
    assert len(datasets.open(made)) == 6 and datasets.open(made, "val").names == sorted(other.rgb)


@pytest.mark.parametrize(("count", "aside"), [(1, 0), (2, 1), (4, 1), (14, 1), (16, 2), (30, 3)])
def test_a_tenth_is_for_validation_unless_told_otherwise(tmp_path: Path, cli, count: int, aside: int) -> None:
    source = Source(tmp_path, count, "png")
    command = ("data", "folder", "--images", source.images, "--labels", source.labels, "-o")
    done = cli(*command, tmp_path / "set")
    assert done.status == 0, done.err
    splits = json.loads((tmp_path / "set" / "dataset.json").read_text())["splits"]
    assert {name: split["count"] for name, split in splits.items()} == (
        {"train": count - aside, "val": aside} if aside else {"train": 1}
    )
    note = next(line for line in done.err.splitlines() if line.startswith("note: "))
    assert (f"{aside} of {count}" in note and "--val-percent 0" in note) if aside else "no validation" in note
    none = cli(*command, tmp_path / "none", "--val-percent", 0)
    assert none.status == 0 and "note" not in none.err
    assert json.loads((tmp_path / "none" / "dataset.json").read_text())["splits"].keys() == {"train"}


def test_the_default_share_is_that_of_the_same_number_and_goes_on_as_it(source: Source, tmp_path: Path, cli) -> None:
    command = ("data", "folder", "--images", source.images, "--labels", source.labels, "-o")
    assert (
        cli(*command, tmp_path / "default").status == cli(*command, tmp_path / "ten", "--val-percent", 10).status == 0
    )
    for path in sorted(path for path in (tmp_path / "ten").rglob("*") if path.is_file() and path.name != "lock.mdb"):
        assert path.read_bytes() == (tmp_path / "default" / path.relative_to(tmp_path / "ten")).read_bytes(), path


def test_every_share_leaves_a_pair_for_either_set_and_only_complete_pairs_validate(
    source: Source, tmp_path: Path
) -> None:
    made = source.build(tmp_path / "most", val_percent=99)
    assert len(datasets.open(made)) == 1 and len(datasets.open(made, "val")) == 5
    for name in sorted(source.rgb)[1:5]:
        (source.labels / f"{name}.png").unlink()
    made = source.build(tmp_path / "few", val_percent=10, options=ImportOptions(on_error="skip"))
    assert len(datasets.open(made)) == len(datasets.open(made, "val")) == 1


def test_no_share_is_set_aside_where_folders_make_the_validation_set(source: Source, tmp_path: Path, cli) -> None:
    other = Source(tmp_path / "other", 3, "png", seed=9)
    command = ("data", "folder", "--images", source.images, "--labels", source.labels, "-o", tmp_path / "set")
    done = cli(*command, "--val-images", other.images, "--val-labels", other.labels)
    assert done.status == 0 and "note" not in done.err
    assert len(datasets.open(tmp_path / "set")) == 6 and len(datasets.open(tmp_path / "set", "val")) == 3


def test_the_validation_set_does_not_change_when_pictures_of_other_names_come_first(
    source: Source, tmp_path: Path
) -> None:
    from caffe_fcn.datasets.build.file_pairs import shuffled

    names = sorted(source.rgb)
    order = shuffled(names, 7)
    assert [name for name in shuffled(["a", *names], 7) if name != "a"] == order
    assert order != shuffled(names, 8)


def test_building_twice_gives_the_same_bytes_with_any_number_of_workers(source: Source, tmp_path: Path) -> None:
    one = source.build(tmp_path / "one", val_percent=34)
    four = source.build(tmp_path / "four", val_percent=34, options=ImportOptions(workers=4))
    for path in sorted(one.rglob("*")):
        if path.is_file() and path.name != "lock.mdb":
            assert path.read_bytes() == (four / path.relative_to(one)).read_bytes(), path


def test_keys_are_sorted_numbers_and_the_same_in_both(source: Source, tmp_path: Path) -> None:
    pairs = datasets.open(source.build(tmp_path / "set"))
    assert pairs.labels is not None
    assert list(pairs.images.keys()) == list(pairs.labels.keys()) == [b"%08d" % i for i in range(6)]


def test_the_checksum_tells_that_a_source_changed_and_nothing_else(source: Source, tmp_path: Path) -> None:
    def checksum(name: str, **options: object) -> str:
        made = source.build(tmp_path / name, **options)
        return str(json.loads((made / "dataset.json").read_text())["splits"]["train"]["checksum"])

    before = checksum("a")
    assert checksum("b", options=ImportOptions(RecordFormat(image_encoding="raw"), seed=5)) == before
    (source.images / "pic_03.png").write_bytes(png.encode(bgr(source.rgb["pic_03"] // 2)))
    assert checksum("c") != before


FAULTS = {
    "outside": lambda s: paletted(np.full_like(s.classes["pic_03"], CLASSES)).save(s.labels / "pic_03.png"),
    "unlabelled": lambda s: paletted(np.full_like(s.classes["pic_03"], 255)).save(s.labels / "pic_03.png"),
    "one-class": lambda s: paletted(np.full_like(s.classes["pic_03"], 1)).save(s.labels / "pic_03.png"),
    "size": lambda s: paletted(s.classes["pic_03"][1:]).save(s.labels / "pic_03.png"),
    "palette": lambda s: paletted(s.classes["pic_03"], VOC_FLAT[::-1]).save(s.labels / "pic_03.png"),
    "encoding": lambda s: Image.fromarray(s.classes["pic_03"]).save(s.labels / "pic_03.png"),
    "broken": lambda s: (s.images / "pic_03.png").write_bytes((s.images / "pic_03.png").read_bytes()[:-30]),
    "alpha": lambda s: Image.open(s.images / "pic_03.png").convert("RGBA").save(s.images / "pic_03.png"),
    "16-bit": lambda s: Image.fromarray(s.classes["pic_03"].astype(np.uint16)).save(s.images / "pic_03.png"),
    "channels": lambda s: Image.open(s.images / "pic_03.png").convert("L").save(s.images / "pic_03.png"),
    "pair": lambda s: (s.labels / "pic_03.png").unlink(),
}


@pytest.mark.parametrize("check", FAULTS)
def test_every_check_names_the_file_and_stops_or_skips(source: Source, tmp_path: Path, check: str) -> None:
    FAULTS[check](source)
    with pytest.raises(Fault, match="pic_03") as raised:
        source.build(tmp_path / "set")
    assert raised.value.check == check
    assert not (tmp_path / "set").exists()
    made = source.build(tmp_path / "set", options=ImportOptions(on_error="skip"))
    split = json.loads((made / "dataset.json").read_text())["splits"]["train"]
    assert [skipped["name"] for skipped in split["skipped"]] == ["pic_03"]
    assert split["count"] == len(datasets.open(made)) == 5
    assert "pic_03" not in datasets.open(made).names


@pytest.mark.parametrize("check", ["alpha", "palette", "unlabelled", "one-class"])
def test_what_is_allowed_is_counted(source: Source, tmp_path: Path, check: str) -> None:
    FAULTS[check](source)
    made = source.build(tmp_path / "set", options=ImportOptions(allow=[check]))
    split = json.loads((made / "dataset.json").read_text())["splits"]["train"]
    assert split["allowed"] == {check: ["pic_03"]}
    assert split["count"] == 6


def test_a_deep_grey_image_gives_its_upper_bits_when_that_is_allowed(source: Source, tmp_path: Path) -> None:
    deep = (np.arange(source.classes["pic_03"].size) % 65536).astype(np.uint16).reshape(source.classes["pic_03"].shape)
    for name in set(source.rgb) - {"pic_03"}:
        (source.images / f"{name}.png").unlink()
        (source.labels / f"{name}.png").unlink()
    Image.fromarray(deep * 40).save(source.images / "pic_03.png")
    image, _ = datasets.open(source.build(tmp_path / "set", options=ImportOptions(allow=["16-bit"])))[0]
    assert (image[0] == (deep * 40) >> 8).all()


def test_images_of_another_size_are_faults_where_one_size_is_wanted(source: Source, tmp_path: Path) -> None:
    with pytest.raises(Fault) as raised:
        source.build(tmp_path / "set", same_size=True)
    assert raised.value.check == "shape"


def test_a_decompression_bomb_is_refused_unread(source: Source, tmp_path: Path) -> None:
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")]
    bomb = png.SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    (source.images / "pic_03.png").write_bytes(bomb)
    with pytest.raises(Fault, match="too large to be decoded"):
        source.build(tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_resizing_makes_no_bomb_of_a_small_image(source: Source, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a size"):
        RecordFormat(size=(10**6, 10**6))
    long = np.zeros((1, 1, 50_000), np.uint8)
    with pytest.raises(Fault, match="before it is cropped"):
        RecordFormat(size=(1000, 1000), resize_mode="crop").convert_image(png.encode(long), "long.png", Rules())


def test_two_pictures_of_one_name_are_refused(source: Source, tmp_path: Path) -> None:
    shutil.copy(source.images / "pic_01.png", source.images / "pic_01.jpeg")
    with pytest.raises(Fault, match="pic_01"):
        source.build(tmp_path / "set", options=ImportOptions(on_error="skip"))


def test_a_colour_that_no_class_has_is_told_with_its_place(source: Source, tmp_path: Path) -> None:
    label = np.zeros((*source.classes["pic_03"].shape, 3), np.uint8)
    label[5, 7] = (1, 2, 3)
    for name, classes in source.classes.items():
        Image.fromarray(np.zeros((*classes.shape, 3), np.uint8)).save(source.labels / f"{name}.png")
    Image.fromarray(label).save(source.labels / "pic_03.png")
    with pytest.raises(Fault, match=r'colour 1 2 3 at x=7, y=5.*"1 2 3" \(1 pixel\)'):
        source.build(tmp_path / "set", colours={0: (0, 0, 0)}, options=ImportOptions(allow=["one-class"]))


def test_colours_that_no_file_declares_are_listed_and_the_command_of_the_error_declares_them(
    source: Source, tmp_path: Path, cli
) -> None:
    counts: dict[str, int] = {}
    for name, label in source.classes.items():
        image = paletted(label).convert("RGB")
        image.save(source.labels / f"{name}.png")
        for colour in np.array(image).reshape(-1, 3).tolist():
            text = " ".join(map(str, colour))
            counts[text] = counts.get(text, 0) + 1
    command = ("data", "folder", "--images", source.images, "--labels", source.labels, "-o", tmp_path / "set")
    done = cli(*command)
    assert done.status == 2 and done.err.count("\n") == 1
    assert all(f"{colour} ({pixels} pixels)" in done.err for colour, pixels in counts.items())
    assert len(counts) == CLASSES + 1 and "--colo" in done.err
    paste = done.err[done.err.index("printf") : done.err.rindex(")")]
    subprocess.run(["sh", "-c", paste], cwd=tmp_path, check=True)
    assert cli(*command, "--colours", tmp_path / "colours.txt").status == 0
    declared, _ = palette.read(tmp_path / "colours.txt")
    assert declared[255] == palette.make_voc_palette()[255]
    for split in ("train", "val"):
        pairs = datasets.open(tmp_path / "set", split)
        for name, (_, label) in zip(pairs.names, pairs, strict=True):
            painted = np.array([declared.get(value, (0, 0, 0)) for value in range(256)])[label[0]]
            assert (painted == np.array(Image.open(source.labels / f"{name}.png"))).all()


def test_labels_of_more_colours_than_classes_are_no_labels(source: Source, tmp_path: Path) -> None:
    for name, rgb in source.rgb.items():
        Image.fromarray(rgb).save(source.labels / f"{name}.png")
    with pytest.raises(DatasetError, match="more than there can be classes"):
        source.build(tmp_path / "set")


def test_options_that_exclude_each_other_are_refused(source: Source, tmp_path: Path) -> None:
    wrong: list[dict[str, object]] = [
        {"val_images": source.images},
        {"val_images": source.images, "val_labels": source.labels, "val_percent": 10},
        {"encoding": "rgb"},
        {"options": ImportOptions(allow=["size"])},
        {"ignore": None, "options": ImportOptions(RecordFormat(size=(8, 8), resize_mode="fill"))},
    ]
    for options in wrong:
        with pytest.raises(DatasetError):
            source.build(tmp_path / "set", **options)
    with pytest.raises(FileError):
        folder.build(tmp_path / "set", tmp_path / "no", source.labels)
    with pytest.raises(DatasetError):
        (tmp_path / "empty").mkdir()
        folder.build(tmp_path / "set", tmp_path / "empty", tmp_path / "empty")


def test_classes_are_named_or_counted(source: Source, tmp_path: Path, cli) -> None:
    command = ("data", "folder", "--images", source.images, "--labels", source.labels, "--quiet", "-o")
    assert cli(*command, tmp_path / "counted", "--classes", CLASSES).status == 0
    about = json.loads((tmp_path / "counted" / "dataset.json").read_text())
    assert about["classes"] == [str(index) for index in range(CLASSES)] and about["infogain_file"]
    few = cli(*command, tmp_path / "few", "--classes", CLASSES - 1)
    assert few.status == 2 and f"outside the {CLASSES - 1} classes" in few.err
    for number in ("0", "257", "9" * 5000):
        refused = cli(*command, tmp_path / "none", "--classes", number)
        assert refused.status == 2 and refused.err.startswith("error: classes: cannot be")


def test_the_command_reads_classes_and_colours_from_files(source: Source, tmp_path: Path) -> None:
    for name, label in source.classes.items():
        paletted(label).convert("RGB").save(source.labels / f"{name}.png")
    names = ["sky", "sea", "land", "tree", "cloud"]
    lines = [
        "{} {} {} {}".format(*colour, name) for colour, name in zip(palette.make_voc_palette(), names, strict=False)
    ]
    lines.append("255: {} {} {}".format(*palette.make_voc_palette()[255]))
    (tmp_path / "colours.txt").write_text("\n".join(lines))
    command = [sys.executable, "-m", "caffe_fcn", "data", "folder", "--images", "images", "--labels", "labels"]
    done = subprocess.run(
        [*command, "--colors", "colours.txt", "-o", "set"], cwd=tmp_path, capture_output=True, text=True
    )
    told, following = done.stderr.splitlines()
    assert (done.returncode, following.startswith("next: ")) == (0, True) and "1 of 6" in told
    about = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert about["classes"] == names
    for name, (_, label) in zip(datasets.open(tmp_path / "set").names, datasets.open(tmp_path / "set"), strict=True):
        assert (label[0] == source.classes[name]).all()
