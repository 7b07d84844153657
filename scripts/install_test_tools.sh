#!/usr/bin/env bash
# Sets up the programs with which tests look at pages and pictures, where the machine has none: Chromium and Graphviz.
# apt-get downloads Debian's packages, and they are unpacked below the cache: nothing is installed, and no root is needed.
# Prints the folder of the programs. Where they cannot be had, says why and exits with 1; the tests skip then.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

tools=${XDG_CACHE_HOME:-$HOME/.cache}/caffe-fcn/test-tools

starts() { "$tools/bin/chromium" --version && "$tools/bin/dot" -V; } >/dev/null 2>&1

download() {
    apt-get -qq -o Debug::NoLocking=1 -o Dir::Cache::Archives="$1" install -y --no-install-recommends --download-only \
        chromium graphviz fonts-dejavu-core >/dev/null 2>&1
}

# A program that finds its libraries beside it: wrap NAME PATH [VARIABLE=VALUE]
wrap() {
    printf '#!/bin/sh\n%s LD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "${3:-}" "$libraries" "$tools/root/$2" > "$tools/bin/$1"
    chmod +x "$tools/bin/$1"
}

if command -v chromium >/dev/null && command -v dot >/dev/null || starts; then
    printf '%s\n' "$tools/bin"
    exit
fi
command -v apt-get >/dev/null || { say "no apt-get: tests of pages and pictures are skipped without chromium and dot"; exit 1; }
say "Chromium and Graphviz for the tests: $tools"
rm -rf "$tools"
packages=$tools/packages
mkdir -p "$packages/partial" "$tools/bin" "$tools/root"
download "$packages" || { [ "$(id -u)" = 0 ] && apt-get -qq update >/dev/null 2>&1 && download "$packages"; } || {
    rm -rf "$tools"
    say "apt-get has no chromium and graphviz to download: the tests of pages and pictures are skipped"
    exit 1
}
for package in "$packages"/*.deb; do
    dpkg -x "$package" "$tools/root"
done
rm -rf "$packages"
libraries=$(find "$tools/root/usr/lib" -name 'lib*.so*' -printf '%h\n' | sort -u | grep -v /chromium | tr '\n' ':')
wrap chromium usr/lib/chromium/chromium
plugins=$(find "$tools/root/usr/lib" -type d -name graphviz | head -1)
wrap dot usr/bin/dot "GVBINDIR=$plugins"
"$tools/bin/dot" -c
starts || { rm -rf "$tools"; say "the unpacked Chromium or Graphviz does not start: their tests are skipped"; exit 1; }
printf '%s\n' "$tools/bin"
