#!/bin/sh
# A song by curl: submit once however often the network breaks, wait, fetch.
#
#   clients/curl/song.sh '{"prompt": "a calm piano piece", "duration": 5}' song.wav
#
# TUTTI_SERVER is where Tutti is, TUTTI_API_KEY the key, where one is needed.
set -eu
server=${TUTTI_SERVER:-http://127.0.0.1:8000}
body=$1
file=$2

ask() { # with the key, if there is one; --retry waits as long as Retry-After says
    if [ -n "${TUTTI_API_KEY:-}" ]; then
        set -- -H "Authorization: Bearer $TUTTI_API_KEY" "$@"
    fi
    curl -sS --fail-with-body --retry 6 --retry-connrefused "$@"
}
value() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

once=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n') # the same for each try: one job
answer=$(ask "$server/v1/jobs" -H 'Content-Type: application/json' -H "Idempotency-Key: $once" -d "$body") ||
    { echo "$answer" >&2; exit 1; }
id=$(echo "$answer" | value id)

# The stream of events ends with the job; where it breaks, it is taken up again.
until state=$(ask -N "$server/v1/jobs/$id/events" | sed -n 's/^event: \(succeeded\|failed\|cancelled\).*/\1/p') &&
    [ -n "$state" ]; do
    sleep 2
done
[ "$state" = succeeded ] || { ask "$server/v1/jobs/$id"; exit 1; }

url=$(ask "$server/v1/jobs/$id" | grep -o '"url":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
[ -n "$url" ] || { echo "no song is linked in job $id" >&2; exit 1; }
ask -C - -o "$file" "$server$url"
echo "$file"
