"""A signal that comes while Python runs what may not raise, a destructor or a callback, ends the command."""

from __future__ import annotations

import subprocess
import sys

import pytest

SOURCE = """
import os, signal, time, weakref
from caffe_fcn.cli.interruptions import interrupt_on_signals

def interrupted(*_):
    os.kill(os.getpid(), signal.{signal})
    for _ in range(100):
        pass

class Thing:
    pass

class Destroyed:
    def __del__(self):
        interrupted()

try:
    with interrupt_on_signals():
        {what}
        print("passed over", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("what", ["Destroyed()", "thing = Thing(); kept = weakref.ref(thing, interrupted); del thing"])
def test_an_interruption_that_python_passes_over_comes_again(what: str, number: str) -> None:
    source = SOURCE.format(signal=number, what=what)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=50)
    assert done.stdout.split("\n") == ["passed over", "interrupted", ""]
    assert done.stderr == ""
