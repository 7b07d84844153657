"""Data layers read without Caffe: every batch is the one that real Caffe makes, and a batch is always the same."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.records.database import Writer
from caffe_fcn.engines.readers import open_data_layers
from caffe_fcn.engines.readers.prefetch import Prefetcher
from caffe_fcn.engines.readers.resize import resize_bilinear
from caffe_fcn.errors import CaffeFcnError, DatasetError, NetError
from caffe_fcn.proto import BlobProto, NetParameter, parse

Pixels = NDArray[np.uint8]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def net_of(text: str) -> NetParameter:
    net = NetParameter()
    parse(text, net)
    return net


def assert_batches_are_caffes(caffe: CaffeWorker, place: Path, net: str, count: int = 4) -> None:
    readers = open_data_layers(net_of(net), training=False, seed=1)
    tops = {layer.name: layer.top for layer in net_of(net).layer}
    for number, theirs in enumerate(caffe.batches(net, place, count)):
        ours = {
            top: each for name in readers for top, each in zip(tops[name], readers[name].batch(number), strict=True)
        }
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert ours[name].dtype == np.float32
            np.testing.assert_array_equal(ours[name], theirs[name])


def lmdb(path: Path, values: Sequence[bytes]) -> None:
    with Writer(path) as writer:
        writer.append(values)


def pixels(*shape: int, seed: int = 0) -> Pixels:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def png(image: Pixels, mode: str = "RGB") -> bytes:
    """The file of an image H x W (x 3, red first)."""
    buffer = io.BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def data(
    source: str = "db", transform: str = "", batch: int = 3, more: str = "", tops: str = 'top: "x" top: "n"'
) -> str:
    return f"""layer {{ name: "{source}" type: "Data" {tops} transform_param {{ {transform} }}
        data_param {{ source: "{source}" batch_size: {batch} backend: LMDB {more} }} }}"""


@pytest.mark.caffe
@pytest.mark.parametrize(
    "transform",
    [
        "",
        "scale: 0.00390625",
        "mean_value: 100.5",
        "mean_value: 104.007 mean_value: 116.669 mean_value: 122.679 scale: 0.017",
        "crop_size: 5",
        "crop_size: 4 mean_value: 3 scale: 0.3",
        'mean_file: "mean.binaryproto"',
        'mean_file: "mean.binaryproto" crop_size: 6 scale: 0.1',
        "mirror: false",
    ],
)
def test_raw_records_are_transformed_as_caffe_does(place: Path, caffe: CaffeWorker, transform: str) -> None:
    lmdb(place / "db", [datum.pack_raw(pixels(3, 8, 9, seed=index), index * 7) for index in range(5)])
    mean = np.random.RandomState(1).uniform(0, 255, (3, 8, 9)).astype(np.float32)
    blob = BlobProto(num=1, channels=3, height=8, width=9, data=mean.ravel())
    (place / "mean.binaryproto").write_bytes(blob.SerializeToString())
    assert_batches_are_caffes(caffe, place, data(transform=transform))


@pytest.mark.caffe
@pytest.mark.parametrize("transform", ["", "force_color: true", "force_gray: true", "force_color: true mean_value: 9"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_encoded_records_are_decoded_as_caffe_does(place: Path, caffe: CaffeWorker, mode: str, transform: str) -> None:
    files = [png(pixels(7, 6, 3, seed=index), mode) for index in range(3)]
    lmdb(place / "db", [datum.pack_image(file, (3, 7, 6)) for file in files])
    if transform == "force_gray: true" and mode != "L":
        ours = open_data_layers(net_of(data(transform=transform)), False, 1)["db"].batch(0)[0]
        theirs = caffe.batches(data(transform=transform), place, 1)[0]["x"]
        assert np.abs(ours - theirs).max() <= 1  # OpenCV's weights of the colours have other last bits
    else:
        assert_batches_are_caffes(caffe, place, data(transform=transform), 2)


@pytest.mark.caffe
def test_floats_sizes_and_the_old_parameter_are_read_as_caffe_does(place: Path, caffe: CaffeWorker) -> None:
    random = np.random.RandomState(0)
    lmdb(place / "db", [datum.pack_floats(random.normal(0, 5, (2, 3, 4)).astype(np.float32)) for _ in range(3)])
    lmdb(place / "sizes", [datum.pack_raw(pixels(3, 4 + index, 9 - index), index) for index in range(3)])
    lmdb(place / "grey", [datum.pack_image(png(pixels(5, 6)), (3, 5, 6)) for index in range(3)])
    nets = (
        data(batch=2, tops='top: "f"')
        + data("sizes", batch=1)
        + data("grey", more="force_encoded_color: true", tops='top: "g"')
    )
    assert_batches_are_caffes(caffe, place, nets, 5)


@pytest.mark.caffe
@pytest.mark.parametrize("more", ["", "new_height: 9 new_width: 13", "new_height: 3 new_width: 4", "is_color: false"])
def test_lists_of_images_are_read_as_caffe_does(place: Path, caffe: CaffeWorker, more: str) -> None:
    (place / "a folder").mkdir()
    for index in range(5):
        (place / "a folder" / f"{index}.png").write_bytes(
            png(pixels(6, 7, seed=index), "L" if "is_color" in more else "RGB")
        )
    (place / "list").write_text("".join(f"a folder/{index}.png {index * 3}\n" for index in range(5)))
    net = f"""layer {{ name: "i" type: "ImageData" top: "x" top: "n" transform_param {{ mean_value: 7 scale: 0.5 }}
      image_data_param {{ source: "list" batch_size: 2 {more} }} }}"""
    assert_batches_are_caffes(caffe, place, net)


@pytest.mark.caffe
def test_hdf5_rows_are_read_as_caffe_does(place: Path, caffe: CaffeWorker) -> None:
    h5py = pytest.importorskip("h5py")
    random = np.random.RandomState(0)
    for name, count in (("a.h5", 3), ("b.h5", 4)):
        with h5py.File(place / name, "w") as file:
            file["x"] = random.normal(size=(count, 2, 3)).astype(np.float32)
            file["y"] = random.normal(size=(count, 1)).astype(np.float32)
    (place / "list").write_text("a.h5\nb.h5\n")
    net = """layer { name: "h" type: "HDF5Data" top: "x" top: "y" hdf5_data_param { source: "list" batch_size: 2 } }"""
    assert_batches_are_caffes(caffe, place, net, 6)


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20))),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_images_are_scaled_as_opencv_scales_them(image: Pixels, size: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2")
    cv2.ipp.setUseIPP(False)  # Intel's library, which Caffe's OpenCV on Debian does not have, rounds otherwise
    theirs = cv2.resize(image.transpose(1, 2, 0), size[::-1]).reshape(*size, -1).transpose(2, 0, 1)
    assert (resize_bilinear(image, size) == theirs).all()


SHUFFLED = """layer { name: "i" type: "ImageData" top: "x" top: "n" transform_param { mirror: true crop_size: 3 }
  image_data_param { source: "list" batch_size: 2 shuffle: true rand_skip: 3 } }"""


@pytest.fixture
def listed(place: Path) -> Path:
    """Seven images of their own, and their list."""
    for index in range(7):
        (place / f"{index}.png").write_bytes(png(pixels(6, 7, seed=index)))
    (place / "list").write_text("".join(f"{index}.png {index}\n" for index in range(7)))
    return place


def test_shuffled_images_come_once_a_round_and_in_another_order_each_time(listed: Path) -> None:
    reader = open_data_layers(net_of(SHUFFLED.replace("rand_skip: 3", "")), True, seed=3)["i"]
    numbers = np.concatenate([reader.batch(number)[1] for number in range(14)]).astype(int).reshape(4, 7)
    assert all(sorted(round_) == list(range(7)) for round_ in numbers.tolist())
    assert len({tuple(round_) for round_ in numbers.tolist()}) > 1


def test_a_batch_is_a_function_of_its_number_and_the_seed(listed: Path) -> None:
    one, other = (open_data_layers(net_of(SHUFFLED), True, seed=3)["i"] for _ in range(2))
    forwards = [one.batch(number) for number in range(9)]
    backwards = [other.batch(number) for number in reversed(range(9))][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        assert (a[0] == b[0]).all()
        assert (a[1] == b[1]).all()
    strange = open_data_layers(net_of(SHUFFLED), True, seed=4)["i"]
    assert any((strange.batch(number)[0] != forwards[number][0]).any() for number in range(9))


def test_crops_and_mirrors_of_labels_are_those_of_their_images(place: Path) -> None:
    images = [pixels(1, 9, 9, seed=index) for index in range(4)]
    for name in ("images", "labels"):
        lmdb(place / name, [datum.pack_raw(image) for image in images])
    transform = "mirror: true crop_size: 5"
    net = data("images", transform, tops='top: "x"') + data("labels", transform, tops='top: "y"')
    readers = open_data_layers(net_of(net), True, seed=11)
    seen = set()
    for number in range(20):
        (image,), (label,) = readers["images"].batch(number), readers["labels"].batch(number)
        assert (image == label).all()
        seen |= {each.tobytes() for each in image}
    assert len(seen) > 30  # of 4 images, 25 places and 2 sides


def test_workers_read_the_same_batches_ahead(listed: Path) -> None:
    with Prefetcher(net_of(SHUFFLED), True, 3) as here, Prefetcher(net_of(SHUFFLED), True, 3, workers=3) as there:
        for _, ours, theirs in zip(range(8), here.batches(1, 2), there.batches(1, 2), strict=False):
            for a, b in zip(ours["i"], theirs["i"], strict=True):
                assert (a == b).all()


def test_a_broken_image_is_reported_by_the_worker_that_read_it(listed: Path) -> None:
    (listed / "5.png").write_bytes((listed / "5.png").read_bytes()[:60])
    plain = SHUFFLED.replace("shuffle: true rand_skip: 3", "")
    with Prefetcher(net_of(plain), True, 3, workers=2) as prefetcher, pytest.raises(DatasetError) as caught:
        for number, _ in enumerate(prefetcher.batches(0)):
            assert number < 2  # whole batches before it come through
    assert str(caught.value).startswith("5.png: is broken: ")


def test_memory_data_are_the_arrays_of_the_caller() -> None:
    net = net_of(
        'layer { name: "m" type: "MemoryData" top: "x" top: "n" '
        "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } }"
    )
    images, labels = np.arange(12.0).reshape(3, 1, 2, 2), np.arange(3)
    with Prefetcher(net, True, 0, workers=2, arrays={"m": (images, labels)}) as prefetcher:
        (first, numbers), (second, _) = (batch["m"] for _, batch in zip(range(2), prefetcher.batches(0), strict=False))
    assert (first == images[:2]).all()
    assert (second == images[[2, 0]]).all()
    assert numbers.tolist() == [0, 1]
    with pytest.raises(NetError, match="got 0 arrays for 2 tops"):
        open_data_layers(net, True, 0)


def test_python_layers_of_the_reference_are_read_and_no_others() -> None:
    layer = (
        'layer {{ name: "d" type: "Python" top: "data" top: "label" python_param {{ module: "m" layer: "{}" {} }} }}'
    )
    with pytest.raises(NetError, match="Python layer 'Evil' runs in pycaffe only"):
        open_data_layers(net_of(layer.format("Evil", "")), True, 0)
    with pytest.raises(NetError, match="is no Python literal"):
        open_data_layers(net_of(layer.format("VOCSegDataLayer", "param_str: 'open(1)'")), True, 0)


BAD = {
    "no source": (data("db").replace('source: "db"', ""), "layer 'db' (Data): has no source"),
    "no LMDB": (data("none"), "none: no LMDB is there"),
    "LevelDB": (data().replace("LMDB", "LEVELDB"), "layer 'db' (Data): reads a LevelDB"),
    "no batch_size": (data(batch=0), "layer 'db' (Data): has no batch_size"),
    "a crop too large": (data(transform="crop_size: 30"), "db, record 0: is 3x8x9, too small for crop_size 30"),
    "two means for three": (data(transform="mean_value: 1 mean_value: 2"), "db, record 0: has 3 channels, and mean_v"),
    "a mean of another size": (data(transform='mean_file: "mean"'), "db, record 0: is 3x8x9, and the mean 3x2x2"),
    "no mean": (data(transform='mean_file: "nowhere"'), "nowhere: no such file"),
    "sizes in a batch": (data("sizes"), "sizes, record 1: is 3x5x9, and the first of its batch 3x4x9"),
    "fewer labels": (data() + data("sizes"), "db: has 2 records, and sizes 3"),
    "no Datum": (data("junk"), "junk, record 0: is not a Datum"),
    "an empty LMDB": (data("empty"), "empty: is an empty LMDB"),
    "a LMDB that is cut off": (data("cut"), "cut/data.mdb: is cut off"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_data_are_one_line(place: Path, name: str) -> None:
    lmdb(place / "db", [datum.pack_raw(pixels(3, 8, 9)) for _ in range(2)])
    lmdb(place / "sizes", [datum.pack_raw(pixels(3, 4 + index, 9)) for index in range(3)])
    lmdb(place / "junk", [b"\xff\xff\xff"])
    lmdb(place / "empty", [])
    lmdb(place / "cut", [datum.pack_raw(pixels(3, 80, 90)) for _ in range(9)])
    with (place / "cut/data.mdb").open("r+b") as file:
        file.truncate(40_000)
    (place / "mean").write_bytes(BlobProto(num=1, channels=3, height=2, width=2, data=[0] * 12).SerializeToString())
    net, line = BAD[name]
    with pytest.raises(CaffeFcnError) as caught:
        for reader in open_data_layers(net_of(net), False, 0).values():
            reader.batch(0)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
