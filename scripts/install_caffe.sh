#!/usr/bin/env bash
# Real Caffe 1.0 (CPU) in a folder of its own: no root, no container, nothing built, nothing else touched.
#
# Debian 11 (bullseye) is the last Debian that ships Caffe, Ubuntu 20.04 (focal) the last Ubuntu. They come from
# the mirror that this machine's apt already uses, or from one that is named. An apt that sees nothing of this
# system fetches the packages with all they need, libc included, and checks their signatures; they are unpacked,
# never installed, and start through their own loader. The folder appears whole, by a rename, or not at all.

set -euo pipefail

readonly NEEDED_MB=900
readonly LIB=x86_64-linux-gnu

# What Caffe and pycaffe never read.
readonly UNUSED=(
    './bin' './sbin' './etc' './var' './usr/sbin' './usr/libexec' './usr/include' './usr/share'
    "./usr/lib/$LIB/perl*" "./usr/lib/$LIB/gconv" './usr/lib/valgrind'
    './usr/lib/python3/dist-packages/'{pandas,IPython,jedi,parso,prompt_toolkit,pygments,Cython,pyximport,nose}
)

usage() {
    cat <<END
usage: install_caffe.sh [--mirror URL] [--keyring FILE | --no-verify] [PREFIX]

Sets up real Caffe 1.0 (CPU) without root and leaves PREFIX/bin/caffe, PREFIX/bin/pycaffe (a Python that
imports caffe) and Caffe's tools (convert_imageset, compute_image_mean, ...). About 170 MB to fetch and
400 MB on disk. Run again, it keeps what is there.

  PREFIX          where to (default: \$CAFFE_PREFIX, else ${XDG_CACHE_HOME:-$HOME/.cache}/caffe-fcn/caffe)
  --mirror URL    a mirror that has Debian's bullseye or Ubuntu's focal (default: \$CAFFE_MIRROR, else those that
                  this machine's apt has)
  --keyring FILE  the keys of that archive (default: those of this machine)
  --no-verify     do not check the packages' signatures
END
}

main() {
    local prefix='' mirror='' keyring='' verify=yes
    while (($#)); do
        case $1 in
            -h | --help) usage && exit 0 ;;
            --mirror) mirror=$(value "$@"); shift ;;
            --mirror=*) mirror=${1#*=} ;;
            --keyring) keyring=$(value "$@"); shift ;;
            --keyring=*) keyring=${1#*=} ;;
            --no-verify) verify=no ;;
            -*) fail "$1" "unknown option (see --help)" ;;
            *) [[ -z $prefix ]] || fail "$1" "one PREFIX is enough (see --help)" && prefix=$1 ;;
        esac
        shift
    done
    prefix=${prefix:-${CAFFE_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/caffe-fcn/caffe}}
    [[ $prefix != *:* ]] || fail "$prefix" "a colon in the path would split the loader's search path (name another PREFIX)"
    prefix=$(realpath -m -- "$prefix")
    [[ -z $keyring ]] || { [[ -s $keyring ]] && keyring=$(realpath -- "$keyring"); } || fail "$keyring" "no such keyring"

    if works "$prefix"; then
        say "Caffe is already in $prefix"
        exit 0
    fi
    check_machine "$prefix"

    # Visible to the trap, which runs after main has returned.
    stage=$(dirname "$prefix")/.$(basename "$prefix").installing-$$
    trap 'rm -rf -- "$stage"' EXIT
    trap 'exit 130' INT TERM HUP
    sweep "$prefix"
    mkdir -p "$stage"/{apt/lists/partial,apt/cache/archives/partial,root/bin} || fail "$stage" "cannot be made"

    write_apt_configuration
    choose_mirror "${mirror:-${CAFFE_MIRROR:-}}" "$verify" "$keyring"
    fetch
    unpack
    write_launchers
    works "$stage/root" || fail "$stage/root" "the unpacked Caffe does not start: $("$stage/root/bin/caffe" --version 2>&1 | tail -n 1)"
    put_in_place "$prefix"
    say "Caffe is in $prefix: run $prefix/bin/caffe, or scripts with $prefix/bin/pycaffe"
}

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf 'error: %s: %s\n' "$1" "${*:2}" >&2
    exit 2
}

# The value of the option $1, which is the next argument.
value() {
    [[ -n ${2-} ]] || fail "$1" "needs a value (see --help)"
    printf '%s\n' "$2"
}

# Whether the Caffe in folder $1 starts, and its Python imports it (which also compiles that Python's modules).
works() {
    [[ -x $1/bin/caffe && -x $1/bin/pycaffe && -x $1/usr/bin/python3 ]] &&
        "$1/bin/caffe" --version >/dev/null 2>&1 && "$1/bin/pycaffe" -c 'import caffe' >/dev/null 2>&1
}

check_machine() {
    local folder=$1 tool free_mb
    [[ $(uname -s)-$(uname -m) == Linux-x86_64 ]] ||
        fail "$(uname -s)-$(uname -m)" "the distributions' Caffe is used here on Linux on x86-64 only (elsewhere: conda, see environment.yml)"
    for tool in apt-get apt-cache dpkg-deb tar; do
        command -v "$tool" >/dev/null ||
            fail "$tool" "is not on this machine (without apt: conda, see environment.yml)"
    done
    if [[ -e $folder && ! -f $folder/packages.txt ]] && [[ ! -d $folder || -n $(ls -A -- "$folder") ]]; then
        fail "$folder" "is there and is not a Caffe of this script (name another PREFIX or remove it)"
    fi
    folder=$(dirname "$folder")
    mkdir -p -- "$folder" 2>/dev/null && [[ -w $folder ]] || fail "$folder" "cannot be written (name a PREFIX that can)"
    free_mb=$(df -Pm -- "$folder" | awk 'NR == 2 { print $4 }')
    ((free_mb >= NEEDED_MB)) || fail "$folder" "$free_mb MB free, $NEEDED_MB MB needed (free some, or name another PREFIX)"
}

# Remove what killed runs left.
sweep() {
    local left
    for left in "$(dirname "$1")/.$(basename "$1").installing-"*; do
        [[ ! -d $left ]] || kill -0 "${left##*-}" 2>/dev/null || rm -rf -- "$left"
    done
}

# An apt of its own: the system's proxies and logins, but none of its sources, packages or hooks.
write_apt_configuration() {
    local apt=$stage/apt
    : >"$apt/status"
    cat >"$apt/apt.conf" <<END
#clear APT::Update;
#clear DPkg;
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
END
}

apt() { "apt-$1" -c "$stage/apt/apt.conf" -q "${@:2}" >"$stage/apt/log" 2>&1; }

# The line in which apt says what went wrong.
apt_complaint() { { grep -m 1 '^[EW]: ' "$stage/apt/log" || tail -n 1 "$stage/apt/log"; } | sed 's/^[EW]: //; s/  */ /g'; }

# What a release calls what we need of it. The reference BLAS is thirty times slower than this one.
describe_release() {
    case $1 in
        bullseye) components=main keys=debian-archive-keyring packages=(caffe python3-caffe) ;;
        focal) components='main universe' keys=ubuntu-archive-keyring packages=(caffe-cpu python3-caffe-cpu) ;;
    esac
    packages+=(libopenblas0-pthread)
}

# The keys of an archive, called $1: those of this system, else of Debian's those in a package that the archive of
# this system (Ubuntu's, say) vouches for.
find_keyring() {
    local file
    for file in "/usr/share/keyrings/$1".{gpg,pgp}; do
        [[ ! -s $file ]] || { realpath -- "$file" && return; }
    done
    [[ $1 == debian-archive-keyring ]] || return 1
    say "Fetching the keys of Debian's archive"
    (cd "$stage/apt" && mkdir -p system/partial && system_apt update && system_apt download "$1" &&
        dpkg-deb -x "$1"_*.deb keys) >"$stage/apt/log" 2>&1 || true
    for file in "$stage/apt/keys/usr/share/keyrings/$1".{gpg,pgp}; do
        [[ ! -s $file ]] || { printf '%s\n' "$file" && return; }
    done
    return 1
}

# The apt of this system, which verifies with this system's keys, but with lists and a cache of its own.
system_apt() {
    apt-get -q -o Dir::State::lists="$stage/apt/system" -o Dir::Cache="$stage/apt/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none "$@"
}

# Write sources.list for the first mirror that has Caffe: the one named, or those of this machine.
choose_mirror() {
    local named=$1 verify=$2 given=$3 mirror release keyring trust complaint='' mirrors=() releases=(bullseye focal)
    if [[ -n $named ]]; then
        mirrors=("$named")
    else
        mapfile -t mirrors < <(machine_mirrors | awk '!seen[$0]++')
        ! is_system debian || releases=(bullseye)
        ! is_system ubuntu || releases=(focal bullseye)
    fi
    ((${#mirrors[@]})) || fail mirror "this machine's apt has none of Debian or Ubuntu ($NAME_A_MIRROR)"
    for mirror in "${mirrors[@]}"; do
        say "Looking for Caffe at $mirror"
        for release in "${releases[@]}"; do
            describe_release "$release"
            trust=trusted=yes
            if [[ $verify == yes ]]; then
                if ! keyring=${given:-$(find_keyring "$keys")}; then
                    complaint=${complaint:-the keys of its archive are not here (install $keys, or name --keyring FILE)}
                    continue
                fi
                trust=signed-by=$keyring
            fi
            echo "deb [arch=amd64 $trust] $mirror $release $components" >"$stage/apt/sources.list"
            if apt get update -o APT::Update::Error-Mode=any -o Acquire::Retries=1 && apt cache show "${packages[@]}"; then
                return
            fi
            complaint=${complaint:-$(apt_complaint)}
        done
    done
    fail "${mirrors[0]}" "no Caffe there: $complaint (check the network, or $NAME_A_MIRROR)"
}

readonly NAME_A_MIRROR="name a mirror with Debian's bullseye or Ubuntu's focal: --mirror URL or CAFFE_MIRROR"

is_system() { grep -qs "^ID=$1\$" /etc/os-release; }

# What may be mirrors of Debian or Ubuntu in this machine's apt configuration, in its order; apt itself reads both
# kinds of sources. On those systems that is every archive but the security one, for a mirror's address can be anything.
machine_mirrors() {
    local likely='/(debian|ubuntu)$'
    ! { is_system debian || is_system ubuntu; } || likely=.
    apt-get update --print-uris 2>/dev/null |
        sed -n "s:^'\(.*[^/]\)/*/dists/[^/]*/InRelease' .*:\1:p" | grep -v security | grep -E "$likely" || true
}

fetch() {
    say "Fetching Caffe and all it stands on (about 170 MB)"
    apt get -y --download-only install "${packages[@]}" || fail apt "$(apt_complaint) (try again, or $NAME_A_MIRROR)"
}

unpack() {
    local archives=("$stage"/apt/cache/archives/*.deb)
    say "Unpacking ${#archives[@]} packages"
    printf '%s\n' "${UNUSED[@]}" >"$stage/apt/unused"
    # Each archive goes as soon as it is unpacked, so that the disk never holds both in full.
    # shellcheck disable=SC2016 # expanded by the inner shell
    printf '%s\0' "${archives[@]}" | xargs -0 -P 2 -I DEB bash -o pipefail -c '
        dpkg-deb --fsys-tarfile "$1" |
            tar -x -C "$2/root" --no-same-owner --no-same-permissions --exclude-from="$2/apt/unused" && rm -- "$1"
    ' unpack DEB "$stage" 2>"$stage/apt/log" ||
        fail "$stage" "unpacking failed: $(tail -n 1 "$stage/apt/log") (is the disk full?)"
    printf '%s\n' "${archives[@]##*/}" >"$stage/root/packages.txt"
}

# bin/NAME for every tool of Caffe, and bin/pycaffe for its Python. Each ends in exec, so that a signal sent
# to it is a signal sent to Caffe. Its Python serves Python layers too, hence PYTHONHOME for all.
write_launchers() {
    local program name python=''
    for program in "$stage"/root/usr/bin/*; do
        name=${program##*/}
        case $name in
            python3.[0-9]*) python=$name && launcher "$name" >"$stage/root/bin/pycaffe" ;;
            caffe | classification | convert_* | compute_image_mean | extract_features | upgrade_*)
                launcher "$name" >"$stage/root/bin/$name" ;;
            *) rm -f -- "$program" ;;
        esac
    done
    chmod +x "$stage"/root/bin/*
    # Python inside Caffe takes the first python3 on the PATH for itself; one of a virtual environment would lead it
    # there, away from its own modules.
    ln -s "$python" "$stage/root/usr/bin/python3"
}

launcher() {
    cat <<END
#!/bin/sh
# $1 of the distribution's Caffe, through its own loader. Log lines go to stderr, and to no files in /tmp.
here=\$(readlink -f -- "\$0")
root=\${here%/bin/*}
lib=\$root/usr/lib/$LIB
export GLOG_logtostderr="\${GLOG_logtostderr:-1}" PATH="\$root/usr/bin:\$PATH" PYTHONHOME="\$root/usr" PYTHONNOUSERSITE=1
unset LD_PRELOAD
exec "\$root/lib/$LIB/ld-2.31.so" --library-path \\
    "\$root/lib/$LIB:\$lib/openblas-pthread:\$lib:\$lib/blas:\$lib/lapack:\$root/usr/lib" \\
    "\$root/usr/bin/$1" "\$@"
END
}

put_in_place() {
    local prefix=$1
    if [[ -f $prefix/packages.txt ]] && ! works "$prefix"; then
        mv -T -- "$prefix" "$stage/broken"
    fi
    # Another run may have been faster: its folder is as good.
    mv -T -- "$stage/root" "$prefix" 2>/dev/null || works "$prefix" || fail "$prefix" "cannot be put in place"
}

main "$@"
