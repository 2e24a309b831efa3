#!/bin/sh
# Makes the base image from Debian's own packages, where no registry of images is to be had. As root.
# The mirror is the one that this machine installs from, and stays in the image: do not publish that.
set -eu
cd "$(dirname "$0")/../.."
. compose/containers/engine.sh
tag=${1:-debian:bookworm-slim}
kept=.tools/debian-bookworm.tar
if [ ! -f $kept ]; then
    command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; exit 1; }
    mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    debootstrap --variant=minbase --include=ca-certificates bookworm "$made" ${mirror:+"$mirror"} >&2
    for rest in var/cache/apt/archives var/lib/apt/lists usr/share/doc usr/share/man usr/share/locale usr/share/info; do
        find "$made/$rest" -mindepth 1 -delete
    done
    mkdir -p .tools
    tar -C "$made" --sort=name --mtime=@0 --numeric-owner -cf $kept.part .
    mv $kept.part $kept
fi
"$ENGINE" import --change 'CMD ["bash"]' \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' $kept "docker.io/library/$tag" >&2
