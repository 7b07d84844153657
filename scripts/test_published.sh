#!/usr/bin/env bash
# Runs the tests of imported nets on what other packages publish: torchvision's nets, and ONNX models in wheels, beside
# the environment of the tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

prepare_tests

# With its dependencies torchvision would bring a torch for CUDA, of 6 GB
published=$venv/published
[ -d "$published/torchvision" ] && [ -d "$published/silero_vad" ] && [ -d "$published/rapidocr_onnxruntime" ] ||
    pip install -q --disable-pip-version-check --no-deps --target "$published" \
        'torchvision==0.28.0' 'rapidocr-onnxruntime==1.4.4' 'silero-vad==6.2.3' >&2
export PYTHONPATH=$published

export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 # as in test.sh
python -m pytest -p no:cacheprovider -m "long or not long" -rs \
    tests/interop/test_torchvision.py tests/interop/test_published_onnx.py "$@"
