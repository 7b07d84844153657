"""What a trained net makes of images, and how good that is."""

from __future__ import annotations

from caffe_fcn.evaluation.evaluate import Evaluation, Settings, evaluate
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.predict import Prediction, predict
from caffe_fcn.evaluation.scores import Confusion, Scores

__all__ = ["Confusion", "Evaluation", "Overlap", "Prediction", "Scores", "Settings", "evaluate", "predict"]
