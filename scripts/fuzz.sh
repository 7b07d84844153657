#!/usr/bin/env bash
# Damaged inputs of every format, many more than the tests give: scripts/fuzz.sh N SEED (see --help).
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout"
. scripts/environment.sh

virtual_environment '[test,torch]' "$tested_torch"
export PYTHONPATH="$checkout:$checkout/tests:$checkout/tests/support" PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" -m fuzz "$@"
