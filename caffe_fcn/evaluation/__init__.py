"""What a trained net makes of images."""

from __future__ import annotations

from caffe_fcn.evaluation.predict import Prediction, predict

__all__ = ["Prediction", "predict"]
