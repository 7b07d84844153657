"""All-in-one nets of DIGITS as DIGITS deploys them: without data layers, and fed the blob named data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_worker import CaffeWorker

from caffe_fcn import engines, offsets, proto, surgery
from caffe_fcn.errors import NetError
from caffe_fcn.net.graph import select_phase
from caffe_fcn.net.shapes import infer

# As DIGITS's lenet: the data layers scale what they read, and for deployment a layer does that with what is fed
SCALED = """
layer { name: "train-data" type: "Data" top: "scaled" top: "label" include { stage: "train" }
        transform_param { scale: 0.5 %s } data_param { batch_size: 4 backend: LMDB } }
layer { name: "val-data" type: "Data" top: "scaled" top: "label" include { stage: "val" }
        transform_param { scale: 0.5 %s } data_param { batch_size: 4 backend: LMDB } }
layer { name: "scale" type: "Power" bottom: "data" top: "scaled" power_param { scale: 0.5 }
        include { stage: "deploy" } }
"""
# As DIGITS's FCN-AlexNet: one layer a phase, whatever the stage
PHASED = """
layer { name: "data" type: "Data" top: "data" include { phase: TRAIN } data_param { batch_size: 1 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" include { phase: TEST } data_param { batch_size: 1 backend: LMDB } }
layer { name: "shift" type: "Power" bottom: "data" top: "scaled" power_param { scale: 0.5 } }
"""
REST = """
layer { name: "conv" type: "Convolution" bottom: "scaled" top: "conv"
        convolution_param { num_output: 3 kernel_size: 3 pad: 2 weight_filler { type: "xavier" } } }
layer { name: "score" type: "Crop" bottom: "conv" bottom: "scaled" top: "score" crop_param { axis: 2 offset: 1 } }
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy" include { stage: "val" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" exclude { stage: "deploy" } }
"""
ALONE = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 1, 8, 8] } } }
layer { name: "scale" type: "Power" bottom: "data" top: "scaled" power_param { scale: 0.5 } }
"""
NETS = {"scaled": SCALED % ("", "") + REST, "phased": PHASED + REST}


def net(text: str) -> Any:
    made = proto.NetParameter()
    proto.parse(text, made)
    return made


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_both_engines_run_an_all_in_one_net_as_it_is_deployed(
    engine: str, kind: str, caffe: CaffeWorker, tmp_path: Path
) -> None:
    image = np.random.RandomState(0).rand(1, 1, 9, 7).astype(np.float32)
    alone = ALONE + REST.partition('layer { name: "accuracy"')[0]
    expected = caffe.run(alone, {"data": image}, save=tmp_path / "w.caffemodel")
    assert expected
    (tmp_path / "all.prototxt").write_text(NETS[kind])
    with engines.load(tmp_path / "all.prototxt", tmp_path / "w.caffemodel", engine, stages=["deploy"]) as loaded:
        assert loaded.inputs["data"][:2] == (1, 1)  # one channel, as the weights have it
        assert "'data' takes the image" in loaded.note
        score = loaded.forward(data=image)["score"]
    np.testing.assert_allclose(score, expected["blob/score"], rtol=0, atol=1e-5)


def test_the_image_is_what_the_data_layers_tell() -> None:
    """A crop, and the channels that the transformation makes; a size that is given goes before the crop."""
    cropped = net(SCALED % ("crop_size: 24 force_gray: true", "") + REST)
    assert infer(cropped).blobs["score"] == (1, 3, 24, 24)
    assert infer(cropped).params["conv"][0] == (3, 1, 3, 3)
    assert infer(cropped, size=(20, 30)).blobs["data"] == (1, 1, 20, 30)


@pytest.mark.parametrize("kind", NETS)
def test_every_command_takes_the_deploy_form(kind: str, cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "all.prototxt"
    path.write_text(NETS[kind])
    shown = cli("net", "show", path)
    assert shown.status == 0
    assert "note: 'data' is taken to be 1x3x500x500, for the net says no shape of it" in shown.err
    assert cli("net", "show", path, "--size", "8x9").out.count("1x3x8x9") == 3  # data, scaled, score
    assert cli("offsets", path).out.splitlines()[-1] == "crop score: offset 1, ok"
    assert offsets.crop_offset(select_phase(net(NETS[kind])), "conv", "data") == 1


def test_weights_move_into_it(caffe: CaffeWorker, tmp_path: Path) -> None:
    image = np.zeros((1, 3, 9, 7), np.float32)
    alone = ALONE.replace("[1, 1,", "[1, 3,") + REST.partition('layer { name: "accuracy"')[0]
    assert caffe.run(alone, {"data": image}, save=tmp_path / "w.caffemodel")
    report = surgery.transplant(tmp_path / "w.caffemodel", to_net=net(NETS["scaled"]), output=tmp_path / "o.caffemodel")
    assert [each.fate for each in report.parameters] == ["copied", "copied"]


def test_only_a_blob_named_data_is_fed() -> None:
    with pytest.raises(NetError, match="reads blob 'image', which no layer makes"):
        infer(net((SCALED % ("", "")).replace('"data"', '"image"') + REST))
    alone = 'layer { name: "scale" type: "Power" bottom: "data" top: "scaled" }'
    with pytest.raises(NetError, match="reads blob 'data', which no layer makes"):
        infer(net(alone))  # no all-in-one net
