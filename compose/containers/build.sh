#!/bin/sh
# Builds the images tutti-web, tutti-worker, tutti-gateway and, where it is named, tutti-worker-cuda:
#
#   compose/containers/build.sh [web] [worker] [gateway] [worker-cuda]
#
# TAG (0.1.0, say; default: the version of pyproject.toml), PREFIX (what stands before the names, such as a
# registry), BASE (the image they start from) and ENGINE (podman, docker) may be given in the environment.
set -eu
cd "$(dirname "$0")/../.."
. compose/containers/engine.sh
TAG=${TAG:-$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -n 1)}
PREFIX=${PREFIX:-}
BASE=${BASE:-debian:bookworm-slim}
format=
case "$ENGINE" in *podman) format="--format docker" ;; esac  # the other format has no health checks

there() { "$ENGINE" image inspect "$1" >/dev/null 2>&1; }
if ! there "$BASE" && ! "$ENGINE" pull -q "$BASE" >/dev/null 2>&1; then
    [ "$BASE" = debian:bookworm-slim ] || { echo "the base image $BASE cannot be had" >&2; exit 1; }
    echo "No registry has $BASE for us: making it from Debian's packages ..." >&2
    compose/containers/base.sh "$BASE"
fi

build() {
    name=$1 file=$2
    shift 2
    echo "Building ${PREFIX}tutti-$name:$TAG ..." >&2
    # shellcheck disable=SC2086
    "$ENGINE" build $format -t "${PREFIX}tutti-$name:$TAG" -f "compose/containers/$file" "$@" .
}

[ $# -gt 0 ] || set -- web worker gateway
for image in "$@"; do
    case "$image" in
    web) build web Containerfile --build-arg "BASE=$BASE" --build-arg LOCK=web ;;
    worker) build worker Containerfile --build-arg "BASE=$BASE" --build-arg LOCK=run ;;
    worker-cuda) build worker-cuda Containerfile --build-arg "BASE=$BASE" --build-arg LOCK=acestep ;;
    gateway) build gateway gateway.Containerfile --build-arg "WEB=${PREFIX}tutti-web:$TAG" ;;
    *) echo "there is no image $image: web, worker, gateway, worker-cuda" >&2; exit 2 ;;
    esac
done
