from .history import History
from .reading import read_log
from .resuming import Resumption, find_resumption
from .running import Run, Watch

__all__ = ["History", "Resumption", "Run", "Watch", "find_resumption", "read_log"]
