#!/usr/bin/env python3
"""Make an FCN's weights from a published classifier's: `caffe-fcn surgery recipe`, from a checkout, uninstalled.

scripts/net_surgery.py                              fetches AlexNet and writes voc-fcn-alexnet.caffemodel
scripts/net_surgery.py caffenet -o fcn.caffemodel
scripts/net_surgery.py vgg16 --weights vgg16 -o fcn32s.caffemodel
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from caffe_fcn.cli import main

arguments = sys.argv[1:]
if not arguments or arguments[0].startswith("--weights"):
    arguments = ["alexnet", *arguments]
if not {"-o", "--output", "--list", "-h", "--help"} & set(arguments):
    arguments += ["-o", "voc-fcn-alexnet.caffemodel"] if arguments[0] == "alexnet" else []
main(["surgery", "recipe", *arguments])
