"""Predictions of a trained net on images, and how well they agree with labels."""

from __future__ import annotations

from caffe_fcn.evaluation.boundaries import Boundaries
from caffe_fcn.evaluation.evaluate import Settings, evaluate
from caffe_fcn.evaluation.image_scores import ImageScore, rank_images
from caffe_fcn.evaluation.net_inputs import ImageInput, find_image_inputs
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.predict import Prediction, predict
from caffe_fcn.evaluation.preprocessing import Preprocessing, find_preprocessing, read_model
from caffe_fcn.evaluation.results import Evaluation
from caffe_fcn.evaluation.scores import ConfusionMatrix, Scores

__all__ = [
    "Boundaries",
    "ConfusionMatrix",
    "Evaluation",
    "ImageInput",
    "ImageScore",
    "Overlap",
    "Prediction",
    "Preprocessing",
    "Scores",
    "Settings",
    "evaluate",
    "find_image_inputs",
    "find_preprocessing",
    "predict",
    "rank_images",
    "read_model",
]
