"""`Description`, which `caffe_fcn.description` reads and writes, under the name that it has as a part of a data set."""

from caffe_fcn.description.dataset_json import Description

__all__ = ["Description"]
