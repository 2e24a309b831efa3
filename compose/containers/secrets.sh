#!/bin/sh
# Makes what compose.yaml reads as secrets, where it is not there yet: files that containers may read, in a
# folder that nobody else on this machine may enter. BROKER_URL names another broker than the Valkey beside.
set -eu
folder=${1:-secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
put() {
    [ -s "$folder/$1" ] && return
    printf '%s\n' "$2" >"$folder/$1"
    chmod 444 "$folder/$1"
}
put tutti_secret "$(random)"
put postgresql_password "$(random)"
put ledger_url "postgresql://tutti:$(cat "$folder/postgresql_password")@postgresql/tutti"
put broker_url "${BROKER_URL:-redis://valkey:6379/0}"
