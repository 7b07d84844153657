from .adding import add
from .cache import Kept, cache_folder, find_kept, list_kept
from .fetching import fetch
from .names import find_model, is_known, suggest_name
from .removing import remove
from .table import MODELS, Checksum, Fact, Model

__all__ = [
    "MODELS",
    "Checksum",
    "Fact",
    "Kept",
    "Model",
    "add",
    "cache_folder",
    "fetch",
    "find_kept",
    "find_model",
    "is_known",
    "list_kept",
    "remove",
    "suggest_name",
]
