"""pycaffe's name for `caffe_fcn.offsets`: ``from caffe.coord_map import crop`` runs with its import changed."""

from caffe_fcn.offsets import coord_map_from_to, crop

__all__ = ["coord_map_from_to", "crop"]
