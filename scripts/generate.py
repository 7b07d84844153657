#!/usr/bin/env python3
"""Write prototxts from a checkout, without installing.

The first writes all of prototxt/ again, the second one net as ``caffe-fcn net build`` does:

    scripts/generate.py
    scripts/generate.py voc-fcn8s --classes 2 -o nets/roads

Nets whose prototxts are longer than ``LARGEST`` characters in all are not in prototxt/: anybody can build them.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from caffe_fcn import netspec  # noqa: E402 - only found once the checkout is on the path
from caffe_fcn.cli import main  # noqa: E402

LARGEST = 60_000

if len(sys.argv) > 1:
    main(["net", "build", *sys.argv[1:]])
for name in netspec.catalogue():
    if sum(len(str(message)) for message in netspec.files(name).values()) > LARGEST:
        continue
    for path in netspec.write(name, ROOT / "prototxt" / name):
        print(path.relative_to(ROOT))
