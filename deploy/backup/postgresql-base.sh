#!/bin/sh
# A base backup of a PostgreSQL server, checked: postgresql-base.sh FOLDER
# Which server, by the usual PGHOST, PGPORT and PGUSER; its WAL has to be archived beside it, see docs/operate.md.
set -eu
place="$1/$(date -u +%Y-%m-%dT%H-%M-%SZ)"
trap 'rm -rf -- "$place.partial"' EXIT
pg_basebackup --pgdata="$place.partial" --wal-method=stream --checkpoint=fast --no-password
PATH="$PATH:/usr/lib/postgresql/$(cat "$place.partial/PG_VERSION")/bin" # where Debian keeps pg_verifybackup
pg_verifybackup --quiet "$place.partial"
mv "$place.partial" "$place"
sync "$1"
echo "$place"
