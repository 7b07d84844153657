"""Weights files of every format, as handles on parameters: no Caffe, no whole model in memory.

- `open_weights`, `save_weights`, `convert`: ``.caffemodel``, ``.caffemodel.h5``, ``.npz``, ``.safetensors``
- `Weights`, `Layer`, `Tensor`: what a file holds; the numbers are read when somebody asks for them
- `differences`, `not_finite`: two files compared, one file checked
- `read_mean`, `write_mean`, `mean_of`, `per_channel`: image means

Each name is imported from its module when it is first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
