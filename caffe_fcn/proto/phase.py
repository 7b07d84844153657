"""The values of the schema's enum Phase, for code that needs no protobuf."""

from __future__ import annotations

TRAIN, TEST = 0, 1
