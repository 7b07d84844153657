"""Bundles: real pycaffe runs what is delivered, and it computes what the run computes."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker, PyCaffe
from command import Ran
from PIL import Image
from roads import CLASSES, MEAN, make_run, pixels, write
from saved_weights import load

from caffe_fcn import files, proto, weights
from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import CaffeFcnError, FileError, NetError, WeightsError
from caffe_fcn.interop.bundle import Facts, write_bundle
from caffe_fcn.interop.digits import import_job
from caffe_fcn.interop.model_folders import open_model

Cli = Callable[..., Ran]

RAW = {"fold_mean": True, "softmax": True, "argmax": True}


@pytest.fixture
def run(tmp_path: Path, caffe: CaffeWorker) -> Path:
    return make_run(tmp_path / "run", caffe)


def score(caffe: CaffeWorker, folder: Path, fed: np.ndarray, blob: str = "score") -> np.ndarray:
    """What real Caffe makes of an input in the net and the weights of a folder."""
    with open_model(folder) as model:
        made = caffe.run(model.net.read_text(), {"data": fed[None]}, weights=model.weights)
    assert made is not None
    return made[f"blob/{blob}"]


def feed(image: np.ndarray, mean: object = MEAN) -> np.ndarray:
    """A photo as the run wants it: blue first, minus the mean."""
    return image.transpose(2, 0, 1)[::-1].astype(np.float32) - np.reshape(np.float32(mean), (-1, 1, 1))


def test_a_bundle_has_the_files_of_a_digits_archive(run: Path, cli: Cli) -> None:
    done = cli("export", "bundle", run, "-o", run / "bundle", "--licence", "CC BY 4.0")
    assert done.status == 0, done.err
    bundle = run / "bundle"
    names = {path.name for path in bundle.iterdir()}
    assert names == {
        *("deploy.prototxt", "snapshot_iter_40.caffemodel", "model.json", "labels.txt"),
        *("mean.binaryproto", "README.md", "info.json"),
    }
    assert {Path(line).name for line in done.out.splitlines()} == names
    info = json.loads((bundle / "info.json").read_text())
    assert info["snapshot file"] == "snapshot_iter_40.caffemodel"
    assert (info["framework"], info["name"], info["image dimensions"]) == ("caffe", "roads", [24, 28, 3])
    assert (bundle / "labels.txt").read_text().split() == CLASSES
    mean = weights.read_mean(bundle / "mean.binaryproto")
    np.testing.assert_array_equal(mean, np.broadcast_to(np.reshape(np.float32(MEAN), (3, 1, 1)), (3, 24, 28)))
    assert model_json.read(bundle) == model_json.read(run)
    assert "CC BY 4.0" in (bundle / "README.md").read_text()


def test_nothing_of_the_training_is_left(run: Path) -> None:
    bundle = write(run, run / "bundle")
    net = proto.read_net(bundle / "deploy.prototxt")
    layers = [layer.name for layer in net.layer]
    assert layers == ["input", "conv1", "bn1", "scale1", "relu1", "score_fr", "upscore", "score"]
    assert list(net.layer[0].top) == ["data"]
    assert not re.search("filler|lr_mult|Dropout|label|include", (bundle / "deploy.prototxt").read_text())
    with weights.open_weights(bundle / "snapshot_iter_40.caffemodel") as opened:
        assert [layer.name for layer in opened.layers] == layers


def test_real_caffe_computes_the_same_bits(run: Path, caffe: CaffeWorker) -> None:
    bundle = write(run, run / "bundle")
    for size in ((24, 28), (31, 26)):
        fed = feed(pixels(size))
        np.testing.assert_array_equal(score(caffe, bundle, fed), score(caffe, run, fed))


@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_folded_nets_take_raw_pixels_and_compute_the_same(
    pad: int, bias: str, tmp_path: Path, caffe: CaffeWorker
) -> None:
    """Where the first convolution pads, a Scale layer subtracts: zeros beyond the image stay the mean."""
    run = make_run(tmp_path / "run", caffe, pad, bias=bias)
    fed, raw = feed(pixels((31, 26))), feed(pixels((31, 26)), [0])
    expected = score(caffe, run, fed)
    for normalization in (False, True):
        bundle = write(run, tmp_path / "bundle", fold_mean=True, fold_normalization=normalization)
        layers = [layer.name for layer in proto.read_net(bundle / "deploy.prototxt").layer]
        assert ("bn1" in layers) != normalization
        assert ("data_scaled" in layers) == bool(pad or (bias == "false" and not normalization))
        model = model_json.read(bundle)
        assert model is not None
        assert (model.inputs[0].mean, model.inputs[0].scale) == ([0.0], 1.0)
        assert not (bundle / "mean.binaryproto").exists()
        np.testing.assert_allclose(score(caffe, bundle, raw), expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_a_scale_is_folded_too(tmp_path: Path, caffe: CaffeWorker) -> None:
    for pad in (0, 2):
        taken = Input("data", 3, mean=[127.5], scale=0.0078125)
        run = make_run(tmp_path / f"{pad}", caffe, pad, Model([taken], [Output("score")]))
        expected = score(caffe, run, feed(pixels(), [127.5]) * np.float32(0.0078125))
        bundle = write(run, run / "bundle", fold_mean=True)
        found = score(caffe, bundle, feed(pixels(), [0]))
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_softmax_and_argmax_are_layers_of_caffe(run: Path, caffe: CaffeWorker) -> None:
    fed = feed(pixels())
    scores = score(caffe, run, fed)
    bundle = write(run, run / "bundle", softmax=True, argmax=True)
    np.testing.assert_array_equal(score(caffe, bundle, fed, "argmax")[:, 0], scores.argmax(axis=1))
    exponents = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(score(caffe, bundle, fed, "softmax"), expected, rtol=1e-5, atol=1e-7)
    model = model_json.read(bundle)
    assert model is not None
    assert [(each.blob, each.kind) for each in model.outputs] == [("softmax", "probabilities"), ("argmax", "classes")]
    assert model.outputs[0].classes == CLASSES
    again = write_bundle(bundle / "deploy.prototxt", bundle / "snapshot_iter_40.caffemodel", run / "b2", softmax=True)
    assert "the net gives probabilities already" in again.notes


def test_half_is_rounded_for_every_caffe_or_stored_for_nvidias(run: Path, caffe: CaffeWorker) -> None:
    original = load(run / "snapshot/train_iter_40.caffemodel")
    rounded = write(run, run / "rounded", half="rounded")
    stored = write(run, run / "stored", half="stored")
    name = "snapshot_iter_40.caffemodel"
    for layer, arrays in load(rounded / name).items():
        for array, source, half in zip(arrays, original[layer], load(stored / name)[layer], strict=True):
            assert (array.dtype, half.dtype) == (np.float32, np.float16)
            np.testing.assert_array_equal(array, source.astype(np.float16).astype(np.float32))
            np.testing.assert_array_equal(half, source.astype(np.float16))
    fed = feed(pixels())
    expected = score(caffe, run, fed)
    assert np.abs(score(caffe, rounded, fed) - expected).max() < 1e-2 * np.abs(expected).max()
    net = (stored / "deploy.prototxt").read_text()
    assert caffe.run(net, {"data": fed[None]}, weights=stored / name) is None  # BVLC's Caffe stops at it, as is said
    readme = (stored / "README.md").read_text()
    assert "BVLC's Caffe does not" in readme
    assert "BVLC" not in (rounded / "README.md").read_text()
    with pytest.raises(WeightsError, match="no such form"):
        write(run, run / "other", half="double")


def test_a_size_is_fixed(run: Path, caffe: CaffeWorker) -> None:
    bundle = write(run, run / "bundle", size=(30, 40))
    (shape,) = proto.read_net(bundle / "deploy.prototxt").layer[0].input_param.shape
    assert list(shape.dim) == [1, 3, 30, 40]
    with pytest.raises(NetError):
        write(run, run / "bundle", size=(2, 2))
    assert list(proto.read_net(bundle / "deploy.prototxt").layer[0].input_param.shape[0].dim) == [1, 3, 30, 40]


def get_program(bundle: Path) -> str:
    return (bundle / "README.md").read_text().partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize(
    "kind", ["numbers", "image", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("grey", "raw", "RGB"))]
)
def test_the_program_on_the_card_runs_in_pycaffe(
    kind: str, tmp_path: Path, caffe: CaffeWorker, pycaffe: PyCaffe
) -> None:
    image = np.random.RandomState(1).uniform(90, 130, (3, 24, 28)).astype(np.float32)
    inputs = {
        "numbers": Input("data", 3, mean=MEAN, scale=0.5),
        "image": Input("data", 3, mean_file="average.npy"),
        "grey": Input("data", 3, mean=[100.0]),
        "raw": Input("data", 3, mean=[0.0]),
        "RGB": Input("data", 3, "RGB", MEAN),
    }
    run = make_run(tmp_path / "run", caffe, model=Model([inputs[kind]], [Output("score", classes=CLASSES)]))
    np.save(run / "average.npy", image)
    bundle = write(run, tmp_path / "bundle")
    for size in ((24, 28), (31, 26)):
        photo = pixels(size)
        Image.fromarray(photo).save(bundle / "image.png")
        mean = {"image": image if size == (24, 28) else image.mean(axis=(1, 2), dtype=np.float64)}
        mean |= {"grey": [100.0], "raw": [0.0]}
        if kind == "image" and size == (24, 28):
            fed = feed(photo, [0]) - image
        else:
            fed = feed(photo, mean.get(kind, MEAN)) * np.float32(inputs[kind].scale)
        if kind == "RGB":
            fed = photo.transpose(2, 0, 1).astype(np.float32) - np.reshape(np.float32(MEAN), (3, 1, 1))
        made = pycaffe(get_program(bundle) + "outputs['scores'] = scores\n", cwd=bundle)
        np.testing.assert_array_equal(made["scores"], score(caffe, run, fed)[0])


def test_an_archive_has_the_same_bytes_each_time(run: Path, tmp_path: Path, cli: Cli) -> None:
    outputs = [tmp_path / "a.tar.gz", tmp_path / "elsewhere/b.tar.gz"]
    for output in outputs:
        assert cli("export", "bundle", run, "-o", output).status == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "elsewhere", "run"]
    with tarfile.open(outputs[0]) as tar:
        members = tar.getmembers()
        names = [member.name for member in members]
        assert names == sorted(names)
        assert {(each.mtime, each.uid, each.gid, each.uname, each.mode) for each in members} == {(0, 0, 0, "", 0o644)}
        tar.extractall(tmp_path / "unpacked")
    folder = write(run, tmp_path / "folder")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "unpacked").iterdir()
    }


def test_checksums_are_those_of_the_files(run: Path) -> None:
    bundle = write(run, run / "bundle")
    listed = json.loads((bundle / "info.json").read_text())["sha256"]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundle.iterdir()}
    assert found.pop("info.json")
    assert listed == found
    done = subprocess.run(["sha256sum", "-c", "README.md"], cwd=bundle, capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("OK")) == (0, 5)


def test_digits_import_reads_a_bundle(run: Path, tmp_path: Path, caffe: CaffeWorker, cli: Cli) -> None:
    archive = write(run, tmp_path / "roads.tar.gz")
    done = cli("import", "digits", archive, "-o", tmp_path / "net")
    assert done.status == 0, done.err
    fed = feed(pixels())
    np.testing.assert_array_equal(score(caffe, tmp_path / "net", fed), score(caffe, run, fed))
    imported = import_job(write(run, tmp_path / "folder"), tmp_path / "net2")
    assert (imported.snapshot, imported.notes) == ("snapshot_iter_40.caffemodel", [])
    assert model_json.read(tmp_path / "net2") == model_json.read(run)


def test_digits_import_keeps_what_a_bundle_says_of_itself(run: Path, tmp_path: Path) -> None:
    """A mean image of any name, raw pixels, classes besides probabilities: info.json of DIGITS has no words for it."""
    np.save(run / "average.npy", np.full((3, 24, 28), 7, np.float32))
    model = model_json.read(run)
    assert model is not None
    for number, (mean, options) in enumerate((({"mean_file": "average.npy", "mean": None}, {}), ({}, RAW))):
        Model([replace(model.inputs[0], **mean)], model.outputs, model.dataset).write(run)
        archive = write(run, tmp_path / f"{number}.tar.gz", **options)
        import_job(archive, tmp_path / f"{number}")
        with open_model(archive) as delivered:
            described = model_json.read(delivered.net.parent)
        assert model_json.read(tmp_path / f"{number}") == described
        assert (tmp_path / f"{number}/mean.binaryproto").exists() == (not options)


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_bundle_runs_without_options(engine: str, run: Path, tmp_path: Path, cli: Cli, caffe: CaffeWorker) -> None:
    bundle = write(run, tmp_path / "bundle", argmax=True)
    Image.fromarray(pixels()).save(tmp_path / "photo.png")
    found = score(caffe, run, feed(pixels()))[0].argmax(axis=0)
    done = cli("infer", bundle, tmp_path / "photo.png", "-o", tmp_path / "out", "--engine", engine)
    assert done.status == 0, done.err
    assert any(name in done.out for name in CLASSES)
    with Image.open(tmp_path / "out/photo.png") as label:
        np.testing.assert_array_equal(np.asarray(label), found)


def test_a_bundle_replaces_a_bundle_and_nothing_else(run: Path, tmp_path: Path, cli: Cli) -> None:
    bundle = write(run, tmp_path / "bundle")
    write(run, bundle, fold_mean=True, facts=Facts("second"))
    assert json.loads((bundle / "info.json").read_text())["name"] == "second"
    assert not (bundle / "mean.binaryproto").exists()
    (bundle / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match=r"has other files, such as notes\.txt"):
        write(run, bundle)
    refused = cli("export", "bundle", run, "-o", run)
    assert (refused.status, "has other files" in refused.err) == (2, True)
    (tmp_path / "file").write_text("mine")
    for place, what in (("file", "is a file"), ("x.zip", "folders or .tar.gz"), ("file/below", "file exists")):
        with pytest.raises(CaffeFcnError, match=what):
            write(run, tmp_path / place)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "file", "run"]


def test_what_is_no_bundle_of_a_net_is_refused(run: Path, tmp_path: Path, cli: Cli) -> None:
    snapshot = run / "snapshot/train_iter_40.caffemodel"
    deploy = run / "deploy.prototxt"
    text = deploy.read_text()
    deploy.write_text(text.replace("num_output: 3 kernel_size: 1", "num_output: 4 kernel_size: 1"))
    with pytest.raises(WeightsError, match=r"score_fr.*is 3x6x1x1, and the net needs 4x6x1x1"):
        write_bundle(deploy, snapshot, tmp_path / "bundle")
    deploy.write_text(text.replace('"score_fr" type', '"score_new" type'))
    with pytest.raises(WeightsError, match=r"score_new.*has 0 parameters"):
        write_bundle(deploy, snapshot, tmp_path / "bundle")
    deploy.write_text(text.replace('"Input"', '"MemoryData"'))
    with pytest.raises(CaffeFcnError):
        write_bundle(deploy, snapshot, tmp_path / "bundle")
    deploy.write_text(text)
    model_json.Model([Input("data", 3)], [Output("score", "grey")]).write(run)
    done = cli("export", "bundle", run, "-o", tmp_path / "unknown")
    assert "the mean of 'data' is unknown (give a --mean)" in done.err
    assert "unknown" in (tmp_path / "unknown/README.md").read_text()
    for option, what in (("--fold-mean", "give a --mean"), ("--softmax", "leave --softmax out"), ("--argmax", "grey")):
        refused = cli("export", "bundle", run, "-o", tmp_path / "bundle", option)
        assert (refused.status, what in refused.err) == (2, True), refused.err
    snapshot.unlink()
    refused = cli("export", "bundle", run, "-o", tmp_path / "bundle")
    assert (refused.status, "has no weights" in refused.err) == (2, True)
    assert not (tmp_path / "bundle").exists()


def test_a_full_disk_leaves_nothing(run: Path, small_disk: Path, caffe: CaffeWorker) -> None:
    (small_disk / "filler").write_bytes(bytes(244 << 10))
    for name in ("bundle", "bundle.tar.gz"):
        with pytest.raises(FileError, match="no space left"):
            write(run, small_disk / name, size=(24, 28))
        assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_scores_stand_on_the_card_if_they_are_of_these_weights(run: Path) -> None:
    scores = {"mean_iu": 0.51, "pixel_accuracy": 0.91, "mean_accuracy": 0.61, "frequency_weighted_iu": 0.81}
    for name, count in (("train_iter_40.caffemodel", 1), ("train_iter_80.caffemodel", 0)):
        (run / "scores.json").write_text(json.dumps({"weights": name, **scores}))
        bundle = write(run, run / "bundle")
        assert (bundle / "README.md").read_text().count("| mean IU | 0.5100 |") == count
        assert json.loads((bundle / "info.json").read_text()).get("scores", {}).get("mean IU") == (
            0.51 if count else None
        )


def test_where_weights_come_from_stands_on_the_card(
    run: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "models"))
    added = cli("models", "add", run / "snapshot/train_iter_40.caffemodel", "--name", "our-roads")
    assert added.status == 0, added.err
    done = cli("export", "bundle", run, "--weights", "our-roads", "-o", tmp_path / "bundle")
    assert done.status == 0, done.err
    card = (tmp_path / "bundle/README.md").read_text()
    assert "- Weights: our-roads, from " in card
    assert "- Licence: unknown" in card


TWO_IMAGES = """layer { name: "input" type: "Input" top: "color" top: "depth" input_param {
        shape { dim: 1 dim: 3 dim: 9 dim: 11 } shape { dim: 1 dim: 1 dim: 9 dim: 11 } } }
layer { name: "joined" type: "Concat" bottom: "color" bottom: "depth" top: "joined" }
layer { name: "score" type: "Convolution" bottom: "joined" top: "score"
        convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "geo" type: "Convolution" bottom: "joined" top: "geo"
        convolution_param { num_output: 2 kernel_size: 3 pad: 1 } }
"""


def test_a_net_of_two_images_and_two_labellings(tmp_path: Path, caffe: CaffeWorker, pycaffe: PyCaffe, cli: Cli) -> None:
    run = tmp_path / "run"
    (run / "snapshot").mkdir(parents=True)
    (run / "deploy.prototxt").write_text(TWO_IMAGES)
    random = np.random.RandomState(2)
    raw = {"color": random.randint(0, 256, (3, 9, 11)), "depth": random.randint(0, 256, (1, 9, 11))}
    means = {"color": MEAN, "depth": [90.5]}
    fed = {k: (v - np.reshape(np.float32(means[k]), (-1, 1, 1)))[None].astype(np.float32) for k, v in raw.items()}
    snapshot = run / "snapshot/train_iter_40.caffemodel"
    expected = caffe.run(TWO_IMAGES, fed, save=snapshot)
    assert expected is not None
    inputs = [Input("color", 3, "BGR", MEAN), Input("depth", 1, "grey", [90.5])]
    Model(inputs, [Output("score", classes=CLASSES), Output("geo", classes=["flat", "steep"])]).write(run)
    bundle = write(run, tmp_path / "bundle")
    assert (bundle / "mean_2.binaryproto").exists()
    Image.fromarray(raw["color"][::-1].transpose(1, 2, 0).astype(np.uint8)).save(bundle / "color.png")
    Image.fromarray(raw["depth"][0].astype(np.uint8)).save(bundle / "depth.png")
    made = pycaffe(get_program(bundle) + "outputs['scores'] = scores\n", cwd=bundle)
    np.testing.assert_array_equal(made["scores"], expected["blob/score"][0])
    folded = write(run, tmp_path / "folded", **RAW)
    with open_model(folded) as model:
        pixels = {name: each[None].astype(np.float32) for name, each in raw.items()}
        found = caffe.run(model.net.read_text(), pixels, weights=model.weights)
    assert found is not None
    for name in ("score", "geo"):
        np.testing.assert_allclose(found[f"blob/{name}"], expected[f"blob/{name}"], rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(found[f"blob/{name}_argmax"][:, 0], expected[f"blob/{name}"].argmax(axis=1))
    for engine in ("caffe", "torch"):
        done = cli("surgery", "verify", folded, run, "--engine", engine)
        assert (done.status, done.out.count(" of 198")) == (0, 4), done.err


def test_what_only_a_fork_runs_is_said(run: Path) -> None:
    """conv_algorithm is of Intel's Caffe."""
    deploy = run / "deploy.prototxt"
    deploy.write_text(deploy.read_text().replace("kernel_size: 4", 'kernel_size: 4 conv_algorithm: "winograd"'))
    made = write_bundle(deploy, run / "snapshot/train_iter_40.caffemodel", run / "bundle")
    assert made.notes == ("field conv_algorithm is not BVLC's: only the Caffe that has it runs this net",)


def test_a_folder_that_is_there_stays_and_gets_the_files(run: Path, tmp_path: Path) -> None:
    """It may be where a disk is mounted."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    own = files.temporary_name(folder / "bundle-files")
    own.with_name(f"{own.name.rpartition('-')[0]}-999999999").mkdir()  # of a run that was killed
    number = folder.stat().st_ino
    write(run, folder)
    (run / "snapshot/train_iter_40.caffemodel").rename(run / "snapshot/train_iter_80.caffemodel")
    write_bundle(run / "deploy.prototxt", run / "snapshot/train_iter_80.caffemodel", folder)
    assert folder.stat().st_ino == number
    assert {path.name for path in folder.iterdir()} == {
        *("deploy.prototxt", "snapshot_iter_80.caffemodel", "model.json", "labels.txt"),
        *("mean.binaryproto", "README.md", "info.json"),
    }


def test_a_classifier_is_run_at_its_own_size(tmp_path: Path, caffe: CaffeWorker, pycaffe: PyCaffe) -> None:
    text = """layer { name: "input" type: "Input" top: "x/1" input_param { shape { dim: 4 dim: 3 dim: 8 dim: 9 } } }
        layer { name: "fc" type: "InnerProduct" bottom: "x/1" top: "fc" inner_product_param { num_output: 5 } }
        layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }"""
    (tmp_path / "deploy.prototxt").write_text(text)
    image = np.asarray(Image.fromarray(pixels((20, 30))).resize((9, 8)))
    expected = caffe.run(text, {"x/1": feed(image)[None]}, save=tmp_path / "w.caffemodel")
    Model([Input("x/1", 3, mean=MEAN)], [Output("prob", "probabilities")]).write(tmp_path)
    bundle = write_bundle(tmp_path / "deploy.prototxt", tmp_path / "w.caffemodel", tmp_path / "bundle").path
    Image.fromarray(pixels((20, 30))).save(bundle / "image.png")
    made = pycaffe(get_program(bundle) + "outputs['p'] = probabilities\n", cwd=bundle)
    assert expected is not None
    np.testing.assert_array_equal(made["p"], expected["blob/prob"][0])


def test_a_net_alone_needs_its_weights(run: Path, tmp_path: Path, cli: Cli) -> None:
    refused = cli("export", "bundle", run / "deploy.prototxt", "-o", tmp_path / "bundle")
    assert (refused.status, "needs --weights W" in refused.err) == (2, True)
    weights = run / "snapshot/train_iter_40.caffemodel"
    done = cli("export", "bundle", run / "deploy.prototxt", "--weights", weights, "-o", tmp_path / "bundle.tar.gz")
    assert (done.status, done.out) == (0, f"{tmp_path / 'bundle.tar.gz'}\n")
    assert "next: caffe-fcn infer" in done.err


def test_the_next_commands_run_as_they_are_printed(
    run: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels()).save("photo.png")
    done = cli("export", "bundle", "run", "-o", "roads.tar.gz")
    printed = [shlex.split(line)[2:] for line in done.err.splitlines() if line.startswith(("next: ", "then: "))]
    assert [each[0] for each in printed] == ["surgery", "infer"]
    for words in printed:
        ran = cli(*("photo.png" if word == "IMAGE" else word for word in words), "--engine", "torch")
        assert ran.status == 0, ran.err
    assert (tmp_path / "roads-labels/photo.png").is_file()
