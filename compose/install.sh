#!/bin/sh
# Installs what `make` needs into .venv, from lock files with hashes. Does nothing, without the network,
# where it is there already.
#
#   compose/install.sh run       what Tutti needs; with the extra `acestep` where an NVIDIA GPU is seen
#   compose/install.sh test      what the tests need too, Debian packages included
#   compose/install.sh deploy    what the tests of containers need: podman and podman-compose
set -eu
cd "$(dirname "$0")/.."
locks=compose/locks
uv=.tools/uv/bin/uv

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "Tutti needs Python 3.11 or newer, and no python3 here is. On Debian or Ubuntu: apt-get install python3"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@"; }

apt_install() {
    command -v apt-get >/dev/null || return 1
    as_root true || return 1
    # Installing a server must not start it: Tutti runs its own.
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy && made=yes
    fi
    status=0
    mkdir -p .tools
    { apt_get install "$@" || { apt_get update && apt_get install "$@"; }; } >.tools/apt.log 2>&1 || status=1
    [ $status = 0 ] || tail -n 5 .tools/apt.log >&2
    [ -z "$made" ] || as_root rm -f $policy
    return $status
}

# uv installs the rest: it checks hashes, works in parallel, and can make an environment where Debian's
# python3 lacks ensurepip. It gets here by pip, with its own hash checked.
get_uv() {
    [ -x $uv ] && [ "$(cat .tools/uv/.lock 2>/dev/null)" = "$(cksum <$locks/tool.txt)" ] && return
    say "Getting the installer ..."
    rm -rf .tools/uv
    if ! "$python" -m venv .tools/uv >/dev/null 2>&1; then
        rm -rf .tools/uv
        apt_install python3-venv || die "Python's venv module is missing here. On Debian or Ubuntu: apt-get install python3-venv"
        "$python" -m venv .tools/uv
    fi
    .tools/uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $locks/tool.txt
    cksum <$locks/tool.txt >.tools/uv/.lock
}

sum() { cat "$locks/$1.txt" pyproject.toml clients/python/pyproject.toml engines/*/pyproject.toml 2>/dev/null | cksum; }
has() { [ "$(cat .venv/.tutti 2>/dev/null)" = "$1 $(sum "$1") $PWD" ]; }

install_lock() {
    get_uv
    say "Installing Tutti's packages ($1) ..."
    [ -x .venv/bin/python ] || $uv venv -q --python "$python" .venv
    # A person sees the progress; a log only what went wrong. Compiled now, or the first start would be slow.
    quiet=-q
    [ -t 2 ] && quiet=
    # shellcheck disable=SC2086
    $uv pip sync $quiet --compile-bytecode --require-hashes --python .venv/bin/python "$locks/$1.txt"
    $uv pip install -q --no-deps --build-constraints $locks/tool.txt --python .venv/bin/python -e . -e clients/python
    # The other models' engines: the tests run them on tiny checkpoints. Elsewhere people install those they want.
    [ "$1" != test ] || for engine in engines/*/; do
        $uv pip install -q --no-deps --build-constraints $locks/tool.txt --python .venv/bin/python -e "$engine"
    done
    isolate
    printf '%s\n' "$1 $(sum "$1") $PWD" >.venv/.tutti
}

# `tutti` is started by an interpreter that looks neither at PYTHONPATH nor into the working folder: a compose.py
# there would be taken for ours. In a folder whose name has a space the script is one of sh, with python inside.
isolate() {
    sed -e '1s|^\(#!/.*python[0-9.]*\)$|\1 -I|' -e "s|python\" \"\$0\"|python\" -I \"\$0\"|" .venv/bin/tutti >.venv/bin/.tutti
    cat .venv/bin/.tutti >.venv/bin/tutti
    rm .venv/bin/.tutti
}

debian_packages() {
    missing=
    for package in $(sed 's/#.*//' compose/debian.txt); do
        # Node.js may come from elsewhere, which Debian's packages of it would contradict.
        case "$package" in nodejs) program=node ;; npm) program=npm ;; *) program= ;; esac
        [ -n "$program" ] && command -v "$program" >/dev/null && continue
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    say "Installing Debian packages:$missing ..."
    # shellcheck disable=SC2086
    apt_install $missing || say "Could not install them (no apt-get, or not allowed): the tests that need them will be skipped."
}

case "${1:-}" in
run)
    if has test || has acestep; then exit; fi
    wanted=run
    if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; then wanted=acestep; fi
    has "$wanted" && exit
    python=$(find_python)
    install_lock "$wanted"
    ;;
test)
    if command -v dpkg-query >/dev/null; then debian_packages; fi
    has test && exit
    python=$(find_python)
    install_lock test
    ;;
deploy)
    # What `make test-deploy` needs beside that: a container engine, and who reads compose.yaml to it.
    command -v podman >/dev/null || {
        say "Installing podman ..."
        apt_install podman buildah runc catatonit netavark aardvark-dns iptables debootstrap ||
            say "Could not install podman (no apt-get, or not allowed): the tests of containers will be skipped."
    }
    [ "$(cat .tools/deploy/.lock 2>/dev/null)" = "$(cksum <$locks/deploy.txt)" ] && exit
    python=$(find_python)
    get_uv
    $uv venv -q --clear --python "$python" .tools/deploy
    $uv pip sync -q --require-hashes --python .tools/deploy/bin/python $locks/deploy.txt
    cksum <$locks/deploy.txt >.tools/deploy/.lock
    ;;
*)
    die "usage: compose/install.sh run|test|deploy"
    ;;
esac
