#!/usr/bin/env bash
# Runs the tests of bundles in other programs that come as wheels: MNN and ncnn, beside the environment of the tests.
# Arguments go to pytest. MNN's own command would install a package that reports its use, so it is never called.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

prepare_tests

programs=$venv/programs
[ -d "$programs/MNN" ] && [ -d "$programs/ncnn" ] ||
    pip install -q --disable-pip-version-check --no-deps --target "$programs" 'MNN==3.6.1' ncnn >&2
CAFFE_FCN_PROGRAMS=$programs python -m pytest -p no:cacheprovider -rs tests/interop/targets/test_programs.py "$@"
