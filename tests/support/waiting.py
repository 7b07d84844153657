"""What happens soon, waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def wait_until(happened: Callable[[], bool], otherwise: str) -> None:
    """Return when something has happened; the test fails where that takes more than ten seconds."""
    for _ in range(100):
        if happened():
            return
        time.sleep(0.1)
    pytest.fail(otherwise)
