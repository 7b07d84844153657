"""Rules that find what will go wrong with a net, its weights, its data or its solver, before it does.

    findings = run(net="train.prototxt", weights="fcn.caffemodel", data="voc", solver="solver.prototxt")
    has_errors(findings)

A rule is a row of `table.RULES`: a code, a level, a page and a function. An error means that real Caffe would fail, or
that the result would be wrong.

- `rule`: what a rule is, and a finding
- `subject`, `net_file`: what is checked, opened once
- `crop_rules`, `upscore_rules`, ...: the rules; `table` has them all
- `running`: `run`

Each name is imported from its module when it is first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
