#!/bin/sh
# PostgreSQL's archive_command: postgresql-wal.sh %p FOLDER/%f
# A segment is there whole and on the disk, or not at all. One that is there already is right if it is the same: the server
# may have died before it knew.
set -eu
folder=$(dirname "$2") aside=$(dirname "$2")/.$(basename "$2")
if [ ! -e "$2" ]; then
    cp "$1" "$aside"
    sync "$aside"
    mv "$aside" "$2"
fi
cmp "$1" "$2"
sync "$folder"
