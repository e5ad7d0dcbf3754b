#!/bin/sh
# A base backup of a PostgreSQL server, checked: postgresql-base.sh FOLDER
# Which server, by the usual PGHOST, PGPORT and PGUSER; its WAL has to be archived beside it, see docs/operate.md.
set -eu
place="$1/$(date -u +%Y-%m-%dT%H-%M-%SZ)"
pg_basebackup --pgdata="$place.partial" --wal-method=stream --checkpoint=fast --no-password
pg_verifybackup --quiet "$place.partial"
mv "$place.partial" "$place"
echo "$place"
