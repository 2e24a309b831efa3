set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH
data=/var/lib/postgresql/data
if [ ! -f $data/PG_VERSION ]; then
    initdb -D $data -E UTF8 --locale=C.UTF-8 -U "$POSTGRES_USER" -A scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" >/dev/null
    echo "host all all all scram-sha-256" >>$data/pg_hba.conf
    printf 'CREATE DATABASE "%s"\n' "$POSTGRES_DB" | postgres --single -D $data postgres >/dev/null
fi
exec postgres -D $data -c listen_addresses='*' -k /tmp
