"""Published weights by name: a table of them, and the user's cache in which they are kept once for all projects.

    path = fetch("alexnet").path        # downloaded once, checked by size and checksum
    add("mine.caffemodel")              # weights of one's own, from then on under the name "mine"

- `MODELS`, `Model`, `Fact`, `Checksum`: the table; `find_model` looks a name up
- `fetch`: the file of a model, downloaded where it is not kept yet; `add` keeps a file, `remove` one no longer
- `find_kept`, `list_kept`, `Kept`: what is kept; `cache_folder` is where

The environment variable CAFFE_FCN_MODELS names another folder for the cache, CAFFE_FCN_MODELS_URL an address (or
several, separated by spaces) that has the files in place of the published addresses; file:// is possible.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
