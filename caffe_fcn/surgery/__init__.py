"""Surgery on weights: a classifier's into an FCN, without Caffe and without a whole model in memory.

- `transplant`: a classifier's weights into another net
- `expand`, `select`: the same into a net of other classes; `interp`: the same with interpolating upscore layers
- `change_channels`, `fold_mean`: a first convolution for other images
- `fold`: BatchNorm and Scale into the convolution before them
- `fold_statistics`: a training set's statistics into SegNet's BN
- `recipe`: the named surgeries of the FCN family
- `verify`: whether an FCN computes what its classifier computes

Scripts find the names of `caffe_fcn.weights` here, too (`weights_files`).

Each name is imported from its module when it is first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
