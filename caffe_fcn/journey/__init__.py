"""Journeys: several steps of this library in one go, each done only where something changed.

    from caffe_fcn import fit
    fit("photos", "labels", output="run")

- `fit`: from photos and labels to a scored, delivered FCN
- `Observer`, `Step`: who is told of the steps, and what a step is
- `ledger`, `fingerprints`: what is done already; `defaults`: what is chosen where nobody says it
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
