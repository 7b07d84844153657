"""The published data sets, in their layouts, into LMDBs: VOC (folder and tar), SBDD, SYNTHIA and the others."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import published_samples as made
import pytest
import reference
from PIL import Image

from caffe_fcn import datasets
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.formats import published, synthia, voc
from caffe_fcn.datasets.records import database, datum, palette
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.datasets.reference_layers.published_sets import SETS
from caffe_fcn.errors import CaffeFcnError, DatasetError, FileError

SPLITS = {"train": ["2007_000032", "2008_000008", "2009_000001"], "val": ["2007_000033", "2010_000002"]}


def bgr(rgb: np.ndarray) -> np.ndarray:
    return rgb[:, :, ::-1].transpose(2, 0, 1)


def assert_is(folder: Path, split: str, known: made.Known, names: list[str], label: str = "label") -> None:
    pairs = datasets.open(folder, split)
    assert sorted(pairs.names) == sorted(names)
    for name, (image, classes) in zip(pairs.names, pairs, strict=True):
        expected = known[name].get("data", known[name].get("color"))
        assert expected is not None
        assert (image == bgr(expected)).all()
        assert (classes[0] == known[name][label]).all()


# The first colours of PASCAL VOC's palette as the development kit publishes them.
PUBLISHED = {
    "background": (0, 0, 0),
    "aeroplane": (128, 0, 0),
    "bicycle": (0, 128, 0),
    "bird": (128, 128, 0),
    "boat": (0, 0, 128),
    "bottle": (128, 0, 128),
    "bus": (0, 128, 128),
    "car": (128, 128, 128),
    "cat": (64, 0, 0),
    "chair": (192, 0, 0),
    "cow": (64, 128, 0),
    "diningtable": (192, 128, 0),
    "dog": (64, 0, 128),
    "horse": (192, 0, 128),
    "motorbike": (64, 128, 128),
    "person": (192, 128, 128),
    "pottedplant": (0, 64, 0),
    "sheep": (128, 64, 0),
    "sofa": (0, 192, 0),
    "train": (128, 192, 0),
    "tvmonitor": (0, 64, 128),
}


def test_the_palette_of_voc_is_the_published_one() -> None:
    assert dict(zip(SETS["voc"].classes["label"], palette.make_voc_palette(), strict=False)) == PUBLISHED
    assert palette.make_voc_palette()[255] == (224, 224, 192)
    assert len(set(palette.make_voc_palette())) == 256


def test_the_palette_is_that_of_a_voc_label(shared: Path) -> None:
    path = shared / "data" / "voc-demo" / "label.png"
    if not path.is_file():
        pytest.skip("../shared/data/voc-demo is not here")
    flat = Image.open(path).getpalette()
    assert flat == [value for colour in palette.make_voc_palette() for value in colour][: len(flat or ())]


def test_voc_from_its_folder_and_from_its_tar_is_the_same(tmp_path: Path) -> None:
    root = tmp_path / "VOCdevkit" / "VOC2012"
    known = made.voc(root, SPLITS)
    with tarfile.open(tmp_path / "VOCtrainval_11-May-2012.tar", "w") as tar:
        tar.add(tmp_path / "VOCdevkit", "VOCdevkit")
    for source in ("VOCdevkit", "VOCdevkit/VOC2012", ".", "VOCtrainval_11-May-2012.tar"):
        output = tmp_path.parent / f"{tmp_path.name}-{source.replace('/', '-')}"
        about = voc.build(output, tmp_path / source, options=ImportOptions(workers=2))
        assert_is(output, "train", known, SPLITS["train"])
        assert_is(output, "val", known, SPLITS["val"])
        assert about.classes is not None and len(about.classes) == 21
        checksums = [split["checksum"] for split in about.splits.values()]
        assert checksums == [split["checksum"] for split in voc.build(output, tmp_path / "VOCdevkit").splits.values()]
        shutil.rmtree(output)


def test_sbdd_trains_and_seg11valid_validates(tmp_path: Path) -> None:
    seg11valid = (Path(voc.__file__).with_name("seg11valid.txt")).read_text().split()
    assert len(seg11valid) == 736
    # of the reference's list, one name a line
    digest = "33d3d44294e02741ecd3877459009a5d5f937069edde1a441bfcd5f38029d59b"
    assert hashlib.sha256("\n".join(seg11valid).encode()).hexdigest() == digest
    known = made.voc(tmp_path / "VOC2011", {"train": ["2007_000032"], "val": [*seg11valid[:3], "2007_000039"]})
    of_sbdd = made.sbdd(tmp_path / "benchmark" / "dataset", {"train": ["2008_000002", "2007_000039"], "val": ["a"]})
    skipping = ImportOptions(on_error="skip")
    about = voc.build(tmp_path / "set", tmp_path / "VOC2011", sbdd=tmp_path / "benchmark", options=skipping)
    assert_is(tmp_path / "set", "train", of_sbdd, ["2008_000002", "2007_000039"])
    assert_is(tmp_path / "set", "val", known, seg11valid[:3])
    assert [skipped["name"] for skipped in about.splits["val"]["skipped"]] == seg11valid[3:]
    with pytest.raises(DatasetError, match="1 images train and validate, 2007_000039"):
        voc.build(tmp_path / "leak", tmp_path / "VOC2011", sbdd=tmp_path / "benchmark", val="val")


def test_splits_may_be_files_and_years_are_chosen(tmp_path: Path) -> None:
    for year in (2007, 2012):
        known = made.voc(tmp_path / f"VOC{year}", SPLITS, seed=year)
    with pytest.raises(DatasetError, match=r"VOC2007, .*VOC2012"):
        voc.build(tmp_path / "set", tmp_path)
    (tmp_path / "mine.txt").write_text("2010_000002\n")
    voc.build(tmp_path / "set", tmp_path, year=2012, val=str(tmp_path / "mine.txt"))
    assert_is(tmp_path / "set", "val", known, ["2010_000002"])
    with pytest.raises(DatasetError, match="did you mean train"):
        voc.build(tmp_path / "no", tmp_path, year=2012, train="trian")


def evil(path: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        member.size = 3 if kind == tarfile.REGTYPE else 0
        tar.addfile(member, io.BytesIO(b"abc"))


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../out.txt", tarfile.REGTYPE, ""),
        ("a/../../out.txt", tarfile.REGTYPE, ""),
        ("/etc/passwd", tarfile.REGTYPE, ""),
        ("VOC2012/x", tarfile.SYMTYPE, "../../etc/passwd"),
        ("VOC2012/x", tarfile.SYMTYPE, "/etc/passwd"),
        ("x", tarfile.LNKTYPE, "../y"),
    ],
)
def test_a_tar_with_members_that_point_outside_is_refused(tmp_path: Path, name: str, kind: bytes, link: str) -> None:
    evil(tmp_path / "evil.tar", name, kind, link)
    with pytest.raises(DatasetError, match="leads outside"):
        voc.build(tmp_path / "set", tmp_path / "evil.tar")


def test_tars_that_are_cut_compressed_or_none_are_refused(tmp_path: Path) -> None:
    made.voc(tmp_path / "VOC2012", SPLITS)
    with tarfile.open(tmp_path / "whole.tar", "w") as tar:
        tar.add(tmp_path / "VOC2012", "VOC2012")
    whole = (tmp_path / "whole.tar").read_bytes()
    last_photo = whole.rindex(b"JFIF")
    (tmp_path / "cut.tar").write_bytes(whole[: last_photo + 100])
    with tarfile.open(tmp_path / "zipped.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "VOC2012", "VOC2012")
    (tmp_path / "none.tar").write_bytes(b"not a tar" * 100)
    (tmp_path / "empty.tar").write_bytes(b"")
    for name in ("cut.tar", "zipped.tar.gz", "none.tar", "empty.tar"):
        with pytest.raises(CaffeFcnError) as raised:
            voc.build(tmp_path / "set", tmp_path / name)
        assert name in str(raised.value)
        assert not (tmp_path / "set").exists()
    with pytest.raises(FileError, match="no such file"):
        voc.build(tmp_path / "set", tmp_path / "missing.tar")


def test_a_voc_label_with_another_palette_is_a_fault(tmp_path: Path) -> None:
    made.voc(tmp_path / "VOC2012", SPLITS)
    path = tmp_path / "VOC2012" / "SegmentationClass" / "2008_000008.png"
    image = Image.open(path)
    image.putpalette([255 - value for colour in palette.make_voc_palette() for value in colour])
    image.save(path)
    with pytest.raises(Fault, match="2008_000008") as raised:
        voc.build(tmp_path / "set", tmp_path / "VOC2012")
    assert raised.value.check == "palette"


def test_a_broken_mat_is_a_fault_that_names_it(tmp_path: Path) -> None:
    made.voc(tmp_path / "VOC2011", SPLITS)
    made.sbdd(tmp_path / "sbdd", {"train": ["a", "b"]})
    path = tmp_path / "sbdd" / "cls" / "b.mat"
    for content in (path.read_bytes()[:200], b"", b"junk" * 100):
        path.write_bytes(content)
        with pytest.raises(Fault, match=r"b\.mat"):
            voc.build(tmp_path / "set", tmp_path / "VOC2011", sbdd=tmp_path / "sbdd", val="val")
    assert not (tmp_path / "set").exists()


def test_synthia_has_twelve_classes_counting_void(tmp_path: Path) -> None:
    colours = np.array(SETS["synthia"].palette, np.uint8)
    known = {}
    for number in range(5):
        image = made.photo(tmp_path / "RGB" / f"{number}.png", number)
        known[str(number)] = {"data": image, "label": made.label(image, 12, number) % 12}
        (tmp_path / "GT").mkdir(exist_ok=True)
        Image.fromarray(colours[known[str(number)]["label"]]).save(tmp_path / "GT" / f"{number}.png")
    about = synthia.build(tmp_path / "set", tmp_path, val_percent=40)
    assert about.classes == list(SETS["synthia"].classes["label"]) and len(about.classes) == 12
    assert about.palette == colours.tolist()
    train, val = (datasets.open(tmp_path / "set", split).names for split in ("train", "val"))
    assert len(val) == 2 and sorted(train + val) == sorted(known)
    assert_is(tmp_path / "set", "train", known, train)
    assert_is(tmp_path / "set", "val", known, val)


def test_nyud_with_hha_and_the_logarithm_of_depth(tmp_path: Path) -> None:
    splits = {"trainval": ["5001", "5002", "5003"], "test": ["5004"]}
    known = made.nyud(tmp_path / "nyud", splits)
    tops = ["color", "label", "hha", "depth"]
    published.build(tmp_path / "set", "nyud", {"nyud_dir": tmp_path / "nyud"}, tops=tops)
    assert_is(tmp_path / "set", "train", known, splits["trainval"])
    assert_is(tmp_path / "set", "val", known, splits["test"])
    names = datasets.open(tmp_path / "set").names
    for kind in ("hha", "depth"):
        for name, value in zip(names, database.Database(tmp_path / "set" / f"train_{kind}"), strict=True):
            array = datum.to_array(datum.parse(value, ""), "")
            if kind == "hha":
                assert (array == known[name][kind].transpose(2, 0, 1)).all()
            else:
                np.testing.assert_allclose(array[0], np.log(known[name][kind].astype(float)), rtol=1e-6)


def test_siftflow_with_semantic_and_geometric_labels(tmp_path: Path) -> None:
    splits = {"trainval": ["coast_a", "forest_b"], "test": ["street_c"]}
    known = made.siftflow(tmp_path / "sift", splits)
    published.build(tmp_path / "set", "siftflow", {"siftflow_dir": tmp_path / "sift"})
    assert_is(tmp_path / "set", "train", known, splits["trainval"], "sem")
    names = datasets.open(tmp_path / "set").names
    for name, value in zip(names, database.Database(tmp_path / "set" / "train_geo"), strict=True):
        assert (datum.to_array(datum.parse(value, ""), "")[0] == known[name]["geo"]).all()


def test_pascal_context_maps_459_classes_to_59(tmp_path: Path) -> None:
    splits = {"train": ["2008_000002", "2008_000003"], "val": ["2008_000004"]}
    known = made.pascal_context(tmp_path / "pascal", tmp_path / "context", splits)
    folders = {"voc_dir": tmp_path / "pascal", "context_dir": tmp_path / "context"}
    about = published.build(tmp_path / "set", "pascalcontext", folders)
    assert about.classes is not None and len(about.classes) == 60
    assert_is(tmp_path / "set", "train", known, splits["train"])
    assert_is(tmp_path / "set", "val", known, splits["val"])


@pytest.mark.parametrize(
    ("name", "data_set", "top"),
    [
        ("nyud", "nyud", "label"),
        ("pascal-voc", "voc", "label"),
        ("pascal-context-59", "pascalcontext", "label"),
        ("sift-flow semantic", "siftflow", "sem"),
        ("sift-flow geometric", "siftflow", "geo"),
    ],
)
def test_the_class_names_are_the_published_ones(name: str, data_set: str, top: str) -> None:
    published_names = tuple(row["name"] for row in reference.rows("classes.csv") if row["data_set"] == name)
    assert SETS[data_set].classes[top] == published_names


def test_a_missing_list_or_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"trainval\.txt"):
        published.build(tmp_path / "set", "nyud", {"nyud_dir": tmp_path})
    (tmp_path / "trainval.txt").write_text("")
    with pytest.raises(DatasetError, match="lists no images"):
        published.build(tmp_path / "set", "nyud", {"nyud_dir": tmp_path})
    with pytest.raises(DatasetError, match="RGB"):
        synthia.build(tmp_path / "set", tmp_path)
    assert not (tmp_path / "set").exists()


def test_the_description_says_where_all_came_from(tmp_path: Path) -> None:
    made.voc(tmp_path / "VOC2012", SPLITS)
    voc.build(tmp_path / "set", tmp_path / "VOC2012")
    about = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert [source["list"] for source in about["sources"]] == ["train", "val"]
    assert about["splits"]["train"]["count"] == 3 and len(about["splits"]["train"]["checksum"]) == 64
