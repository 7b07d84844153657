"""Exports `Description` of `caffe_fcn.description` as a part of `caffe_fcn.datasets`."""

from caffe_fcn.description.dataset_json import Description

__all__ = ["Description"]
