#!/bin/sh
# Lay out a data directory as of an instant: postgresql-restore.sh BASE WAL TARGET [TIME]
# Run as the server's user; then start PostgreSQL on TARGET, and before any service: `dienhong epoch bump` for each.
set -eu
base=$1 wal=$2 target=$3 time=${4:-}
if [ -n "$(ls -A "$target" 2>/dev/null)" ]; then
    echo "not empty: $target" >&2
    exit 2
fi
pg_verifybackup --quiet "$base"
mkdir -p "$target"
chmod 700 "$target"
cp -a "$base/." "$target/"
{
    echo "restore_command = 'cp \"$wal/%f\" \"%p\"'"
    if [ -n "$time" ]; then
        echo "recovery_target_time = '$time'"
        echo "recovery_target_action = 'promote'"
    fi
} >> "$target/postgresql.auto.conf"
touch "$target/recovery.signal"
