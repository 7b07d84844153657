"""Data sets as somebody published or drew them: for each a module that builds it from its files."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
