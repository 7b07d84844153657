"""ONNX models that other packages ship, which Paddle and torch wrote: real Caffe must give what ONNX Runtime gives.

``scripts/test_published.sh`` installs the packages and runs this; everywhere else it skips. None of them is imported.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker
from onnx_models import assert_equal
from PIL import Image, ImageDraw, ImageFont

from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.comparison import run_model
from caffe_fcn.interop.onnx.importing.importer import import_onnx

pytestmark = [pytest.mark.long, pytest.mark.caffe]


def find_model(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"scripts/test_published.sh installs {package} and runs this")
    return Path(spec.origin).parent / name


def draw_text(height: int, width: int) -> np.ndarray:
    """Two lines of black text on white, prepared as PP-OCR's detector takes images: -1 to 1, red first."""
    image = Image.new("RGB", (width, height), "white")
    for line in range(2):
        ImageDraw.Draw(image).text((30, 40 + 80 * line), f"Line {line} of text", "black", ImageFont.load_default(40))
    return (np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255 - 0.5) / 0.5


@pytest.mark.parametrize("height, width", [(224, 384), (320, 416)])
def test_a_text_detector(tmp_path: Path, caffe: CaffeWorker, height: int, width: int) -> None:
    path = find_model("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx")
    with pytest.raises(NetError, match=r"node .* \((HardSigmoid|HardSwish|Clip)\): .*`compose`"):
        import_onnx(path, tmp_path / "net", size=(height, width))
    made = import_onnx(path, tmp_path / "net", size=(height, width), compose=True)
    image = {"x": draw_text(height, width)}
    (wanted,) = run_model(path, image).values()
    assert wanted.max() > 0.9 and 0.03 < (wanted > 0.5).mean() < 0.5  # it finds the text
    found = caffe.run(made.files[0].read_text(), image, weights=made.files[1])
    assert found is not None, "Caffe refuses it"
    (blob,) = made.outputs.values()
    np.testing.assert_allclose(found[f"blob/{blob}"], wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(48, 192), (48, 320)])
def test_a_classifier_of_text(tmp_path: Path, caffe: CaffeWorker, size: tuple[int, int]) -> None:
    path = find_model("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx")
    made = assert_equal(path, tmp_path / "net", caffe, compose=True, size=size)
    assert len(made.outputs) == 1


def test_a_detector_of_speech(tmp_path: Path, caffe: CaffeWorker) -> None:
    """Its Fourier transform is a convolution, behind which an LSTM is."""
    path = find_model("silero_vad", "data/silero_vad_openvino_16k.onnx")
    made = assert_equal(path, tmp_path / "net", caffe, compose=True)
    assert set(made.outputs) == {"output", "stateN"}


def test_a_recognizer_of_text_is_refused_at_its_attention(tmp_path: Path) -> None:
    """It moves three axes of five, for which Caffe 1.0 has no layer."""
    path = find_model("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx")
    with pytest.raises(NetError, match=r"node 'p2o\.Transpose\.1' \(Transpose\): changes the order of axes to \[2, 0"):
        import_onnx(path, tmp_path / "net", size=(48, 320), compose=True)
