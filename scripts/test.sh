#!/usr/bin/env bash
# Sets up and runs all checks: lint, types, and the tests, against real Caffe where that can be had (or must be:
# CAFFE_FCN_REQUIRE_CAFFE=1). Arguments go to pytest. test_long.sh runs what takes too long for every time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

prepare_tests
if tools=$(./scripts/install_test_tools.sh); then
    export PATH="$PATH:$tools"
fi

python -m compileall -q caffe_fcn # once, for the many processes that the tests start

say "ruff"
ruff check .
ruff format --check -q .

# The oldest protobuf that we take, beside the newest one in the environment
oldest=$venv/protobuf-4.25
[ -d "$oldest/google" ] || pip install -q --disable-pip-version-check --no-deps --target "$oldest" 'protobuf==4.25.*'
say "mypy, and meanwhile the tests with protobuf 4.25" # one process each
said=$(mktemp)
mypy >"$said" 2>&1 &
mypy=$!
passed=true
PYTHONPATH=$oldest python -m pytest -p no:cacheprovider -k "not time_and_memory" \
    tests/proto tests/net/test_graph.py tests/offsets/test_offsets.py || passed=false
wait "$mypy" || passed=false
cat "$said"
rm "$said"
$passed

./scripts/test_numerics.sh --short

# Each of the two processes computes with one thread: two with two threads each take three times as long on two cores
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
say "all tests"
python -m pytest -p no:cacheprovider -n 2 -m "not long" -rs "$@" # -rs: what was skipped, and why
