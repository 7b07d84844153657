"""Checksums of files, and how a file differs from the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from caffe_fcn.files import naming_errors
from caffe_fcn.models.table import Checksum, Model
from caffe_fcn.weights.tensors import CHUNK

PIN = "sha256"
"""The kind of checksum that is computed of every file, and that pins a file without a published one."""


def compute_checksums(path: Path, kinds: Iterable[str]) -> dict[str, str]:
    """Return the digest of a file for each kind of checksum, reading it once."""
    digests = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with naming_errors(path), path.open("rb") as file:
        while block := file.read(CHUNK):
            for digest in digests.values():
                digest.update(block)
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


def find_difference(model: Model, size: int, digests: dict[str, str]) -> str:
    """Say in what a file of that size and those digests differs from the published one; "" where it does not."""
    if model.size and size != model.size.value:
        return f"it has {size} bytes, the published file {model.size.value}"
    for checksum in (fact.value for fact in model.checksums):
        if digests[checksum.kind] != checksum.digest:
            return f"it has {Checksum(checksum.kind, digests[checksum.kind])}, the published file {checksum}"
    return ""
