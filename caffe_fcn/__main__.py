"""``python -m caffe_fcn`` is ``caffe-fcn``."""

from caffe_fcn.cli import main

main()
