#!/usr/bin/env bash
# Runs the tests marked `long`, which test.sh leaves out: further cases of what it tests by one or two. Arguments go to
# pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

virtual_environment '[test,torch]' "$tested_torch"
export PATH="$venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
set_up_caffe

python -m pytest -p no:cacheprovider -n 2 -m long -rs "$@"
