"""Weights files and what is done to them: no Caffe, no whole model in memory.

- `open_weights`, `save_weights`, `convert`: files of all formats, as handles on parameters
- `transplant`: a classifier's weights into another net
- `expand`, `select`: the same into a net of other classes; `edits`: changes on the way
- `interp`: the same with interpolating upscore layers; `change_channels`, `fold_mean`: other images
- `fold`: BatchNorm and Scale into the convolution before them
- `recipe`: the named surgeries of the FCN family
- `verify`: whether an FCN computes what its classifier computes
- `differences`, `not_finite`: looking at the numbers
- `read_mean`, `write_mean`, `mean_of`, `per_channel`: image means

Each name is imported from its module when it is first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
