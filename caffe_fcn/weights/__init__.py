"""Weights files of every format, as handles on parameters: no Caffe, no whole model in memory.

- `open_weights`, `save_weights`, `convert`: ``.caffemodel``, ``.caffemodel.h5``, ``.npz``, ``.safetensors``
- `Weights`, `Layer`, `Tensor`: the contents of a file; numbers are read when somebody asks for them
- `compare`, `find_non_finite`: the numbers of two files, and of one
- `read_mean`, `write_mean`, `make_mean`, `average_channels`: image means

Each name is imported from its module when it is first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
