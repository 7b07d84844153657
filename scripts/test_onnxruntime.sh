#!/usr/bin/env bash
# Runs the tests of ONNX models, the long ones too, by the oldest ONNX Runtime that has a wheel for this Python; other
# scripts run them by the newest one, in the environment of the tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

prepare_tests

oldest=$venv/onnxruntime-oldest
install() { pip install -q --disable-pip-version-check --no-deps --target "$oldest" "$@" 2>/dev/null; }
# Those of before 1.19 need numpy 1
[ -d "$oldest/onnxruntime" ] || install 'onnxruntime==1.15.1' 'numpy==1.26.*' ||
    install 'onnxruntime==1.17.*' 'numpy==1.26.*' || install 'onnxruntime==1.20.*' ||
    fail "onnxruntime: no old release has a wheel for this Python"
say "ONNX Runtime $(PYTHONPATH=$oldest python -c 'import onnxruntime; print(onnxruntime.__version__)')"

export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 # as in test.sh
# Not by PYTHONPATH: real Caffe, whose Python is another one, would find this numpy there
python -m pytest -p no:cacheprovider -n 2 -rs -o pythonpath="$oldest tests tests/support" tests/interop/test_*onnx*.py tests/interop/test_exported_layers.py "$@"
