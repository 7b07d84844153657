"""Jobs and archives of DIGITS as net folders, which give what DIGITS gives: the mean is subtracted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker
from command import Ran
from digits_layout import (
    CLASSES,
    DATA_ID,
    DEPLOY,
    ELSEWHERE,
    MODEL_ID,
    list_downloads,
    make_data_job,
    make_model_job,
    read_mean_image,
    write_archive,
)
from PIL import Image

from caffe_fcn import datasets, proto, weights
from caffe_fcn.description import model_json
from caffe_fcn.errors import FileError, NetError
from caffe_fcn.interop.digits import import_job

Cli = Callable[..., Ran]


@pytest.fixture
def jobs(tmp_path: Path, caffe: CaffeWorker) -> Path:
    """A folder of jobs: a data set job and a model job that subtracts its mean image."""
    make_data_job(tmp_path / "jobs")
    make_model_job(tmp_path / "jobs", caffe)
    return tmp_path / "jobs"


@pytest.fixture
def downloads(jobs: Path) -> dict[str, bytes]:
    return list_downloads(jobs / MODEL_ID, jobs / DATA_ID)


def test_a_model_job_becomes_a_net_folder(jobs: Path, cli: Cli) -> None:
    done = cli("import", "digits", jobs / MODEL_ID, "-o", jobs.parent / "net")
    assert (done.status, "note" in done.err) == (0, False)
    assert {Path(line).name for line in done.out.splitlines()} == {
        *("deploy.prototxt", "train_val.prototxt", "solver.prototxt", "original.prototxt"),
        *("weights.caffemodel", "mean.binaryproto", "model.json"),
    }
    net = jobs.parent / "net"
    assert (net / "weights.caffemodel").read_bytes() == (jobs / MODEL_ID / "snapshot_iter_10.caffemodel").read_bytes()
    model = model_json.read(net)
    assert model is not None
    assert model.inputs == [model_json.Input("data", 3, "BGR", None, "mean.binaryproto")]
    assert model.outputs == [model_json.Output("score", "scores", ignore_label=255)]
    assert model.dataset == DATA_ID


def test_paths_of_another_machine_become_those_of_this_one(jobs: Path) -> None:
    net = jobs.parent / "net"
    found = import_job(jobs / MODEL_ID, net)
    assert found.notes == []
    layers = proto.read_net(net / "train_val.prototxt").layer[:4]
    sources = [layer.data_param.source for layer in layers]
    data = jobs / DATA_ID
    assert sources == [
        str(data / f"{stage}_db/{kind}") for stage in ("train", "val") for kind in ("features", "labels")
    ]
    assert [layer.transform_param.mean_file for layer in layers] == ["mean.binaryproto", "", "mean.binaryproto", ""]
    solver = proto.read_solver(net / "solver.prototxt")
    assert (solver.net, solver.snapshot_prefix) == ("train_val.prototxt", "snapshot/train")


def test_a_folder_of_images_keeps_the_stroke_at_its_end(jobs: Path) -> None:
    """Caffe appends the names of images to root_folder."""
    (jobs / DATA_ID / "photos").mkdir()
    text = (jobs / MODEL_ID / "train_val.prototxt").read_text()
    layer = f"""layer {{ name: "more" type: "ImageData" top: "more" top: "number"
        image_data_param {{ source: "{ELSEWHERE}/{DATA_ID}/photos" root_folder: "{ELSEWHERE}/{DATA_ID}/photos/" }} }}
    """
    (jobs / MODEL_ID / "train_val.prototxt").write_text(text + layer)
    import_job(jobs / MODEL_ID, jobs.parent / "net")
    param = proto.read_net(jobs.parent / "net/train_val.prototxt").layer[-1].image_data_param
    assert (param.source, param.root_folder) == (f"{jobs}/{DATA_ID}/photos", f"{jobs}/{DATA_ID}/photos/")


def test_a_data_set_job_that_lies_elsewhere_is_named(jobs: Path, cli: Cli) -> None:
    moved = (jobs / DATA_ID).rename(jobs.parent / "roads")
    net = jobs.parent / "net"
    done = cli("import", "digits", jobs / MODEL_ID, "-o", net)
    assert f"note: train_val.prototxt reads {ELSEWHERE}/{DATA_ID}/train_db/features, which is not here" in done.err
    assert "(name the folder of the data set job with --data)" in done.err
    assert "mean that the net was trained with is unknown" in done.err
    assert not (net / "mean.binaryproto").exists()
    assert "note" not in cli("import", "digits", jobs / MODEL_ID, "-o", net, "--data", moved).err
    assert proto.read_net(net / "train_val.prototxt").layer[0].data_param.source == str(moved / "train_db/features")
    assert (net / "mean.binaryproto").read_bytes() == (moved / "train_db/mean.binaryproto").read_bytes()


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar.bz2", ".tar", ".zip"])
def test_an_archive_becomes_a_net_folder(suffix: str, downloads: dict[str, bytes], tmp_path: Path) -> None:
    archive = write_archive(tmp_path / f"{MODEL_ID}_epoch_30.0{suffix}", downloads)
    net = tmp_path / "net"
    found = import_job(archive, net)
    assert (found.snapshot, len(found.notes)) == ("snapshot_iter_10.caffemodel", 4)  # the databases are not in it
    for ours, theirs in (
        ("weights.caffemodel", "snapshot_iter_10.caffemodel"),
        ("mean.binaryproto", "mean.binaryproto"),
        ("labels.txt", "labels.txt"),
        ("original.prototxt", "original.prototxt"),
    ):
        assert (net / ours).read_bytes() == downloads[theirs], ours
    model = model_json.read(net)
    assert model is not None
    assert model.outputs[0].classes == CLASSES


def test_the_mean_of_each_kind_of_subtraction(tmp_path: Path, caffe: CaffeWorker) -> None:
    """For "pixel" DIGITS writes numbers; its archives have the mean image even if no layer subtracts it."""
    for mean, expected in (("pixel", [104.0, 117.5, 123.0]), ("none", [0.0])):
        jobs = tmp_path / mean
        archive = list_downloads(make_model_job(jobs, caffe, mean), make_data_job(jobs))
        import_job(write_archive(jobs / "net.tar.gz", archive), jobs / "net")
        model = model_json.read(jobs / "net")
        assert model is not None
        assert (model.inputs[0].mean, model.inputs[0].mean_file) == (expected, None)
        assert not (jobs / "net/mean.binaryproto").exists()


def test_without_train_val_the_mean_is_assumed(downloads: dict[str, bytes], tmp_path: Path) -> None:
    """The first versions of DIGITS gave only the deploy net."""
    old = {name: content for name, content in downloads.items() if name not in ("train_val.prototxt", "info.json")}
    found = import_job(write_archive(tmp_path / "old.tar.gz", old), tmp_path / "net")
    assert found.notes == ["there is no train_val.prototxt: mean.binaryproto is taken to be subtracted"]
    model = model_json.read(tmp_path / "net")
    assert model is not None
    assert model.inputs[0].mean_file == "mean.binaryproto"
    (tmp_path / "none").mkdir()
    del old["mean.binaryproto"]
    found = import_job(write_archive(tmp_path / "none.tar.gz", old), tmp_path / "bare")
    assert "is unknown" in found.notes[0]


def test_what_scales_the_blob_that_is_fed_scales_here_too(downloads: dict[str, bytes], tmp_path: Path) -> None:
    """DIGITS's LeNet scales in a data layer that makes another blob, and in a layer of its deploy net."""
    text = downloads["train_val.prototxt"].decode().replace("mean_file:", "scale: 0.5 mean_file:")
    for name, net, scale in (("same", text, 0.5), ("other", text.replace('top: "data"', 'top: "scaled"'), 1.0)):
        changed = {**downloads, "train_val.prototxt": net.encode()}
        import_job(write_archive(tmp_path / f"{name}.tar.gz", changed), tmp_path / name)
        model = model_json.read(tmp_path / name)
        assert model is not None
        assert (model.inputs[0].scale, model.inputs[0].mean_file) == (scale, "mean.binaryproto")


def test_a_job_without_a_net_is_refused(jobs: Path, tmp_path: Path, cli: Cli) -> None:
    refused = cli("import", "digits", jobs / DATA_ID, "-o", tmp_path / "net")
    assert (refused.status, refused.out) == (2, "")
    assert "is a data set job (name a model job" in refused.err
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"has no deploy\.prototxt"):
        import_job(tmp_path / "empty", tmp_path / "net")
    with pytest.raises(FileError, match="is the folder of the job itself"):
        import_job(jobs / MODEL_ID, jobs / MODEL_ID)
    for name in ("snapshot_iter_10.caffemodel", "snapshot_iter_5.caffemodel"):
        (jobs / MODEL_ID / name).unlink()
    with pytest.raises(FileError, match="has no snapshot_iter_N"):
        import_job(jobs / MODEL_ID, tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_a_damaged_snapshot_leaves_nothing(downloads: dict[str, bytes], tmp_path: Path, cli: Cli) -> None:
    broken = {**downloads, "snapshot_iter_10.caffemodel": downloads["snapshot_iter_10.caffemodel"][:100]}
    archive = write_archive(tmp_path / "broken.zip", broken)
    refused = cli("import", "digits", archive, "-o", tmp_path / "net")
    assert refused.status == 2
    assert refused.err.startswith(f"error: {archive}:snapshot_iter_10.caffemodel")
    assert not (tmp_path / "net").exists()


def test_a_net_of_another_framework_is_refused(downloads: dict[str, bytes], tmp_path: Path) -> None:
    info = {**json.loads(downloads["info.json"]), "framework": "torch"}
    archive = write_archive(tmp_path / "torch.tar.gz", {**downloads, "info.json": json.dumps(info).encode()})
    with pytest.raises(FileError, match="has a net of torch"):
        import_job(archive, tmp_path / "net")


IMAGE_SIZES = {"the mean image's size": (6, 8), "another size": (5, 7)}


@pytest.mark.parametrize("engine", ["caffe", "torch"])
@pytest.mark.parametrize("kind", ["job", "archive"])
def test_the_imported_net_runs_from_any_folder(
    kind: str,
    engine: str,
    jobs: Path,
    downloads: dict[str, bytes],
    caffe: CaffeWorker,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As real Caffe gives it for pixels minus the mean; for images of another size, minus its averages."""
    net, images = jobs.parent / "net", jobs.parent / "images"
    source = jobs / MODEL_ID if kind == "job" else write_archive(jobs.parent / "net.tar.gz", downloads)
    import_job(source, net, data=jobs / DATA_ID)
    mean = read_mean_image(jobs / DATA_ID)
    (jobs.parent / "elsewhere").mkdir()
    monkeypatch.chdir(jobs.parent / "elsewhere")
    images.mkdir()
    for number, size in enumerate(IMAGE_SIZES.values()):
        pixels = np.random.RandomState(number).randint(0, 256, (*size, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
        subtracted = mean if size == mean.shape[1:] else mean.mean(axis=(1, 2), keepdims=True)
        fed = pixels.transpose(2, 0, 1)[::-1].astype(np.float32) - subtracted
        expected = caffe.run(DEPLOY, {"data": fed[None]}, weights=jobs / MODEL_ID / "snapshot_iter_10.caffemodel")
        assert expected is not None
        arguments = (net / "deploy.prototxt", net / "weights.caffemodel", images / f"{number}.png")
        done = cli("infer", *arguments, "-o", "out", "--engine", engine)
        assert done.status == 0
        assert "assumed" not in done.err
        with Image.open(f"out/{number}.png") as label:
            np.testing.assert_array_equal(np.asarray(label), expected["blob/score"][0].argmax(axis=0))
        unshifted = caffe.run(DEPLOY, {"data": (fed + subtracted)[None]}, weights=arguments[1])
        assert unshifted is not None
        assert (unshifted["blob/score"][0].argmax(axis=0) != expected["blob/score"][0].argmax(axis=0)).any()
        if kind == "archive":  # it has the names of the classes
            assert any(name in done.out for name in CLASSES)


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_the_imported_net_trains_and_is_evaluated(engine: str, jobs: Path, cli: Cli) -> None:
    """With the solver, the databases and the mean that DIGITS names by paths of another machine."""
    net = jobs.parent / "net"
    import_job(jobs / MODEL_ID, net)
    snapshot = net / "weights.caffemodel"
    solver = (net / "solver.prototxt").read_text().replace("GPU", "CPU")
    (net / "solver.prototxt").write_text(solver)
    trained = cli("train", net / "solver.prototxt", "--weights", snapshot, "--engine", engine)
    assert trained.status == 0, trained.err
    assert (net / "snapshot/train_iter_10.caffemodel").is_file()
    scores = {}
    for prototxt in ("deploy.prototxt", "train_val.prototxt"):
        scored = cli("evaluate", net / prototxt, snapshot, "--data", jobs / DATA_ID, "--json", "--engine", engine)
        assert scored.status == 0, scored.err
        scores[prototxt] = json.loads(scored.out)
    assert scores["deploy.prototxt"] == scores["train_val.prototxt"]


def test_a_snapshot_in_hdf5_keeps_its_format(jobs: Path, caffe: CaffeWorker) -> None:
    """Caffe writes it where the solver says snapshot_format: HDF5."""
    snapshot = jobs / MODEL_ID / "snapshot_iter_10.caffemodel"
    weights.convert(snapshot, f"{snapshot}.h5")
    image = np.random.RandomState(0).rand(1, 3, 6, 8).astype(np.float32)
    expected = caffe.run(DEPLOY, {"data": image}, weights=snapshot)
    snapshot.unlink()
    found = import_job(jobs / MODEL_ID, jobs.parent / "net")
    assert found.weights.name == "weights.caffemodel.h5"
    scored = caffe.run(DEPLOY, {"data": image}, weights=found.weights)
    assert expected is not None
    assert scored is not None
    np.testing.assert_array_equal(scored["blob/score"], expected["blob/score"])


def change(downloads: dict[str, bytes], name: str, old: str, new: str) -> dict[str, bytes]:
    """The files of an archive, with another text in one of them."""
    text = downloads[name].decode()
    assert old in text
    return {**downloads, name: text.replace(old, new).encode()}


def test_a_classifier_answers_with_probabilities(downloads: dict[str, bytes], tmp_path: Path) -> None:
    """More names than a label image can have stay in labels.txt alone."""
    layers = """
        layer { name: "fc" type: "InnerProduct" bottom: "score" top: "fc" inner_product_param { num_output: 1000 } }
        layer { name: "softmax" type: "Softmax" bottom: "fc" top: "softmax" }"""
    changed = {**downloads, "deploy.prototxt": downloads["deploy.prototxt"] + layers.encode()}
    for count, note in ((1000, "more names than a description takes"), (3, "has 3 names, and the net has 1000")):
        changed["labels.txt"] = "".join(f"name {number}\n" for number in range(count)).encode()
        found = import_job(write_archive(tmp_path / f"{count}.zip", changed), tmp_path / f"{count}")
        assert note in found.notes[0]
        model = model_json.read(tmp_path / f"{count}")
        assert model is not None
        assert (model.outputs[0].blob, model.outputs[0].kind) == ("softmax", "probabilities")
        assert model.outputs[0].classes is None
        assert (tmp_path / f"{count}/labels.txt").read_bytes() == changed["labels.txt"]


def test_a_python_layer_behind_the_net_hides_a_shape(downloads: dict[str, bytes], tmp_path: Path) -> None:
    """As in DetectNet, whose boxes digits_python_layers.py clusters."""
    layer = """layer { name: "cluster" type: "Python" bottom: "score" top: "boxes"
        python_param { module: "digits_python_layers" layer: "Cluster" } }"""
    changed = {**downloads, "deploy.prototxt": downloads["deploy.prototxt"] + layer.encode()}
    changed["digits_python_layers.py"] = b"class Cluster: pass\n"
    found = import_job(write_archive(tmp_path / "net.tar.gz", changed), tmp_path / "net")
    assert found.notes[0].startswith("the shape of blob 'boxes' is unknown")
    assert (tmp_path / "net/digits_python_layers.py").read_bytes() == changed["digits_python_layers.py"]


def test_unknown_fields_are_kept_on_demand(downloads: dict[str, bytes], tmp_path: Path, cli: Cli) -> None:
    changed = change(downloads, "deploy.prototxt", "kernel_size: 3", "kernel_size: 3 zzyzx: 1")
    archive = write_archive(tmp_path / "net.tar.gz", changed)
    refused = cli("import", "digits", archive, "-o", tmp_path / "net")
    assert refused.status == 2
    assert f"{archive}:deploy.prototxt:" in refused.err
    assert "zzyzx" in refused.err
    assert "--allow-unknown" in refused.err
    done = cli("import", "digits", archive, "-o", tmp_path / "net", "--allow-unknown")
    assert done.status == 0
    assert "zzyzx, kept" in done.err.replace("'", "")


def test_a_net_that_takes_no_image_is_refused(downloads: dict[str, bytes], tmp_path: Path) -> None:
    changed = change(downloads, "deploy.prototxt", "dim: 1 dim: 3 dim: 6 dim: 8", "dim: 1 dim: 3")
    with pytest.raises(NetError, match="has no input that takes an image"):
        import_job(write_archive(tmp_path / "net.zip", changed), tmp_path / "net")


def test_the_folder_of_the_data_set_may_have_any_name_that_a_prototxt_can_hold(
    jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roads = (jobs / DATA_ID).rename(jobs.parent / "roads")
    monkeypatch.chdir(roads)
    import_job(jobs / MODEL_ID, jobs.parent / "net", data=".")
    model = model_json.read(jobs.parent / "net")
    assert model is not None
    assert model.dataset == "roads"
    odd = roads.rename(jobs.parent / os.fsdecode(b"caf\xe9"))
    with pytest.raises(FileError, match=r"caf\\xe9/train_db/features: has a name that is not UTF-8"):
        import_job(jobs / MODEL_ID, jobs.parent / "other", data=odd)
    about = datasets.describe(odd)
    assert about is not None
    assert about.name == r"caf\xe9"
