# Sourced: chooses the container engine (ENGINE), podman or docker, and where there is no systemd, as inside
# another container, a configuration that podman works with there, in .tools/containers of this folder.
ENGINE=${ENGINE:-$(command -v podman || command -v docker || true)}
[ -n "$ENGINE" ] || { echo "Neither podman nor docker is here. On Debian or Ubuntu: apt-get install podman" >&2; exit 1; }

quoted_mounts() {
    # What this machine trusts, the installers in a build trust too.
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
        [ -f $file ] && printf '"%s:%s:ro", ' $file $file
    done
    printf '"%s/uv.toml:/etc/uv/uv.toml:ro"' "$1"
}

configure_podman() {
    folder=$1
    mkdir -p "$folder"
    open=$(ulimit -Hn)
    [ "$open" = unlimited ] && open=65536
    echo 'system-certs = true' >"$folder/uv.toml"
    cat >"$folder/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=$open:$open", "nproc=32768:32768"]
volumes = [$(quoted_mounts "$folder")]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
static_dir = "$folder/libpod"
tmp_dir = "$folder/tmp"
volume_path = "$folder/volumes"
[network]
network_backend = "netavark"
network_config_dir = "$folder/networks"
CONF
    cat >"$folder/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$folder/graph"
runroot = "$folder/run"
CONF
}

case "$ENGINE" in
*podman)
    if [ ! -d /run/systemd/system ] && [ -z "${CONTAINERS_CONF:-}" ]; then
        folder=${CONTAINERS:-$PWD/.tools/containers}
        [ -f "$folder/containers.conf" ] || configure_podman "$folder"
        export CONTAINERS_CONF="$folder/containers.conf" CONTAINERS_STORAGE_CONF="$folder/storage.conf"
    fi
    ;;
esac
