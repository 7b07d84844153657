"""How a workspace is served: which folder, at which address, with which bounds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

OWN_FOLDER = ".caffe-fcn"
"""The folder in a workspace that is the server's own: the queue, the trash, what was uploaded, indices."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")

_MOST_UPLOADED = 8 << 30


@dataclass(frozen=True)
class Settings:
    """A workspace in ``root``. ``allowed`` are further folders that data may be read from, ``token`` opens the door."""

    root: Path
    allowed: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    """What every request must show; None where only this machine can connect."""
    most_uploaded: int = _MOST_UPLOADED
    """The bytes of an upload, and of what an archive unpacks to."""
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    """The cores that jobs share."""
    gpus: tuple[int, ...] = ()
    """The GPUs that jobs take, one job each."""

    @property
    def own(self) -> Path:
        """The folder of the server's own files."""
        return self.root / OWN_FOLDER

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can connect."""
        return self.host in LOOPBACK
