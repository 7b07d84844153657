# Sourced by demo.sh and test.sh: a virtual environment with this checkout in it, made once and reused.
#
#   virtual_environment EXTRAS [REQUIREMENT ...]     leaves its path in $venv; EXTRAS such as [test]
#
# It lies outside the tree (CAFFE_FCN_VENV names another place) and is filled again when pyproject.toml changes.

tested_torch=torch==2.13.0 # the release that the tests run with; the extra itself takes any since 2.1

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 2
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "python3: needs Python 3.10 or newer (install it, or name one: PYTHON=/path/to/python3)"
}

virtual_environment() {
    local extras=$1 python stamp wanted
    shift
    python=$(find_python)
    venv=${CAFFE_FCN_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/caffe-fcn/venv-$(printf '%s' "$PWD" | cksum | cut -d' ' -f1)}
    stamp=$venv/filled$extras
    wanted="$* $(cat pyproject.toml setup.py | cksum)"
    if "$venv/bin/python" -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        say "virtual environment: $venv (reused)"
        return
    fi
    say "virtual environment: $venv (filling it)"
    # Debian's python3 comes without ensurepip; virtualenv brings its own pip
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$python" -m venv --clear "$venv" 2>/dev/null ||
        "$python" -m virtualenv -q --clear "$venv" 2>/dev/null ||
        fail "python3: cannot make a virtual environment (apt-get install python3-venv)"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -e ".$extras" "$@" >&2 ||
        fail "pip: cannot install caffe_fcn's dependencies (see above; is the network there?)"
    printf '%s' "$wanted" > "$stamp"
}

# Real Caffe for the tests, which skip what needs it where it cannot be had, unless CAFFE_FCN_REQUIRE_CAFFE=1.
set_up_caffe() {
    ./scripts/install_caffe.sh && return
    [ "${CAFFE_FCN_REQUIRE_CAFFE:-}" != 1 ] || fail "CAFFE_FCN_REQUIRE_CAFFE=1: the tests must run against real Caffe"
    say "no Caffe is here, and none can be got: the tests that need it are skipped"
}

# The environment of the tests, on the PATH, and real Caffe
prepare_tests() {
    virtual_environment '[test,torch]' "$tested_torch"
    export PATH="$venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
    set_up_caffe
}
