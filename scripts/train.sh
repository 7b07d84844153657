#!/usr/bin/env bash
# caffe train from a checkout, without installing: a solver and the options of "caffe-fcn train".
#
#   scripts/train.sh solver.prototxt --weights fcn_alexnet.caffemodel
#   GPU=0,1 scripts/train.sh solver.prototxt --snapshot snapshot/train_iter_4000.solverstate
#
# GPU lists the GPUs to train on (all: each of them); PYTHON names the Python to use.
set -euo pipefail

exec "${PYTHON:-python3}" -c 'import sys
sys.path.insert(0, sys.argv.pop(1))
from caffe_fcn.cli import main
main(["train", *sys.argv[1:]])
' "$(dirname "$(readlink -f "$0")")/.." "$@" ${GPU:+--gpu "$GPU"}
