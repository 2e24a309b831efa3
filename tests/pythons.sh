#!/bin/sh
# Runs the tests that need no server on every Python from 3.11 to 3.14 that is found here.
#
#   tests/pythons.sh [arguments for pytest]
set -eu
cd "$(dirname "$0")/.."
uv=.tools/uv/bin/uv
failed=
found=

# On the PATH, installed by uv, or built by pyenv, whose shims name only the versions that are switched on.
interpreter() {
    $uv python find --no-python-downloads --system "$1" 2>/dev/null && return
    for built in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        [ -x "$built" ] && echo "$built" && return
    done
    return 1
}

for version in 3.11 3.12 3.13 3.14; do
    if ! python=$(interpreter "$version"); then
        echo "Python $version: not here"
        continue
    fi
    found="$found $version"
    place=.tools/python-$version
    [ -x "$place/bin/python" ] || $uv venv -q --python "$python" "$place"
    $uv pip sync -q --require-hashes --python "$place/bin/python" compose/locks/test.txt
    $uv pip install -q --no-deps --build-constraints compose/locks/tool.txt --python "$place/bin/python" engines/*/
    echo "Python $version: $("$place/bin/python" -V)"
    TEST_SERVERS=off "$place/bin/python" -m pytest tests/unit -q -n 2 -m "not server and not gpu" "$@" ||
        failed="$failed $version"
done
[ -n "$found" ] || { echo "No Python from 3.11 to 3.14 was found."; exit 1; }
[ -z "$failed" ] || { echo "Failed on:$failed"; exit 1; }
echo "Passed on:$found"
