#!/usr/bin/env bash
# Runs the tests marked `long`, which test.sh leaves out: further cases of what it tests by one or two. Arguments go to
# pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

prepare_tests

export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 # as in test.sh
python -m pytest -p no:cacheprovider -n 2 -m long -rs "$@"
