#!/usr/bin/env python3
"""Print the scale/offset table and the crops of a net, from a checkout without installing, as caffe-fcn offsets does.

scripts/offsets.py prototxt/voc-fcn-alexnet/train.prototxt
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from caffe_fcn.cli import main

main(["offsets", *sys.argv[1:]])
