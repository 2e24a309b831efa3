#!/bin/sh
# Builds what a release consists of into dist/: the source, the wheel, what both stand on, and their hashes.
#
#   tutti-VERSION.cdx.json           software bill of materials (CycloneDX) of what `make run` installs
#   tutti-VERSION-acestep.cdx.json   the same with ACE-Step's packages
set -eu
cd "$(dirname "$0")/.."
rm -rf dist
.venv/bin/python -m build -q --outdir dist .
version=$(basename dist/*.whl | cut -d- -f2)
bom() { .venv/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o "dist/$2" "compose/locks/$1.txt"; }
bom run "tutti-$version.cdx.json"
bom acestep "tutti-$version-acestep.cdx.json"
(cd dist && sha256sum -- * >SHA256SUMS)
ls -1 dist
