#!/bin/sh
# Lay out a data directory as of an instant: postgresql-restore.sh BASE WAL TARGET [TIME]
# Run as the server's user; then start PostgreSQL on TARGET, and before any service: `dienhong epoch bump` for each.
set -eu
base=$1 wal=$(cd "$2" && pwd) target=$3 time=${4:-}
if [ -n "$(ls -A "$target" 2>/dev/null)" ]; then
    echo "not empty: $target" >&2
    exit 2
fi
if ! ls "$wal" | grep -q '^[0-9A-F]\{24\}$'; then # without it PostgreSQL would come up as of the base backup, and say nothing
    echo "no WAL in $wal" >&2
    exit 2
fi
PATH="$PATH:/usr/lib/postgresql/$(cat "$base/PG_VERSION")/bin" # where Debian keeps pg_verifybackup
pg_verifybackup --quiet "$base"
mkdir -p "$target"
chmod 700 "$target"
touch "$target/recovery.signal" # first: what is laid out by half does not start
cp -a "$base/." "$target/"
{
    echo "restore_command = 'cp \"$wal/%f\" \"%p\"'"
    echo "recovery_target_time = '$time'" # also an empty one: that of an earlier restore may stand there
    echo "recovery_target_action = 'promote'"
} >> "$target/postgresql.auto.conf"
