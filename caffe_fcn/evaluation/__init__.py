"""Predictions of a trained net on images, and how well they agree with labels."""

from __future__ import annotations

from caffe_fcn.evaluation.evaluate import Evaluation, Settings, evaluate
from caffe_fcn.evaluation.net_inputs import ImageInput, find_image_inputs
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.predict import Prediction, predict
from caffe_fcn.evaluation.preprocessing import Preprocessing, find_preprocessing, read_model
from caffe_fcn.evaluation.scores import ConfusionMatrix, Scores

__all__ = [
    "ConfusionMatrix",
    "Evaluation",
    "ImageInput",
    "Overlap",
    "Prediction",
    "Preprocessing",
    "Scores",
    "Settings",
    "evaluate",
    "find_image_inputs",
    "find_preprocessing",
    "predict",
    "read_model",
]
