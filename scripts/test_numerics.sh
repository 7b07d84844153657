#!/usr/bin/env bash
# Runs the tests marked `numerics` as other processors would: with other instruction sets and numbers of threads.
#
#   scripts/test_numerics.sh [--short] [PYTEST ARGUMENT ...]
#
# These tests compare figures that are rounded, and processors differ in the order of their sums. All environments take
# some minutes; --short, which test.sh runs, takes the oldest one, and the tests of layers and solvers alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

# One line for each: a name, and variables for torch's own loops (ATEN), its convolutions (ONEDNN) and products (MKL),
# and for the BLAS of Caffe and numpy (OPENBLAS). A processor that lacks a set of instructions takes the best it has.
environments='
oldest   ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE OPENBLAS_CORETYPE=Prescott OMP_NUM_THREADS=1
nehalem  ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem
avx      ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX MKL_ENABLE_INSTRUCTIONS=AVX OPENBLAS_CORETYPE=Sandybridge
avx2     ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell
alone    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
threads  OMP_NUM_THREADS=4 OPENBLAS_NUM_THREADS=4 MKL_NUM_THREADS=4
'

tests=(-m numerics)
if [ "${1:-}" = --short ]; then
    shift
    environments=$(printf '%s' "$environments" | grep '^oldest')
    tests=(tests/engines/torch/test_update_rules.py tests/engines/torch/test_layers.py -m numerics)
fi

prepare_tests

failed=
while read -r name variables; do
    [ -n "$name" ] || continue
    say "numerics: $name ($variables)"
    # Words of the table, so not quoted
    env $variables python -m pytest -p no:cacheprovider -n 2 "${tests[@]}" "$@" </dev/null || failed="$failed $name"
done <<<"$environments"
[ -z "$failed" ] || {
    say "error: numerics:$failed: figures depend on the processor (see above)"
    exit 1
}
