"""The two scripts for PostgreSQL: what can go wrong before a server has begun, and without a word."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import DEBIAN

SCRIPTS = Path(__file__).parents[2] / "deploy/backup"
SEGMENT = "00000001000000000000000A"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base backup that the tool next to it takes for whole, of a server that was restored to an instant before."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "PG_VERSION").write_text("15\n")
    (base / "postgresql.auto.conf").write_text("recovery_target_time = '2020-01-01 00:00:00+00'\n")
    tool(tmp_path, "pg_verifybackup", "exit 0")
    return base


def tool(folder: Path, name: str, what: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{what}\n")
    (folder / name).chmod(0o755)


def run(folder: Path, script: str, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}
    command = [str(word) for word in (SCRIPTS / script, *words)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("wal", ["nowhere", "empty"])
def test_without_the_log_nothing_is_laid_out_since_the_server_would_come_up_as_of_the_base(base, tmp_path, wal):
    (tmp_path / "empty").mkdir()
    done = run(tmp_path, "postgresql-restore.sh", base, tmp_path / wal, tmp_path / "data")
    assert (done.returncode, wal in done.stderr, (tmp_path / "data").exists()) == (2, True, False)


def test_the_log_is_found_from_anywhere_and_the_instant_of_an_earlier_restore_counts_no_more(base, tmp_path):
    (tmp_path / "nhật ký").mkdir()
    (tmp_path / "nhật ký" / SEGMENT).touch()
    assert run(tmp_path, "postgresql-restore.sh", base, "nhật ký", tmp_path / "data").returncode == 0
    told = (tmp_path / "data/postgresql.auto.conf").read_text().splitlines()
    assert [line for line in told if line.startswith("recovery_target_time")][-1] == "recovery_target_time = ''"
    assert f'restore_command = \'cp "{tmp_path}/nhật ký/%f" "%p"\'' in told


def test_what_was_laid_out_by_half_does_not_start_as_of_the_base(base, tmp_path):
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / SEGMENT).touch()
    tool(tmp_path, "cp", "exit 1")
    assert run(tmp_path, "postgresql-restore.sh", base, tmp_path / "wal", tmp_path / "data").returncode == 1
    assert (tmp_path / "data/recovery.signal").exists()


@pytest.mark.skipif(not (DEBIAN / "pg_verifybackup").exists(), reason="postgresql-15 of Debian")
def test_a_base_backup_is_checked_by_the_tool_that_debian_has_out_of_the_way_and_is_nothing_before(tmp_path):
    tool(
        tmp_path,
        "pg_basebackup",
        'for one; do case $one in --pgdata=*) mkdir "${one#*=}"; echo 15 > "${one#*=}/PG_VERSION";; esac; done',
    )
    (tmp_path / "kept").mkdir()
    done = run(tmp_path, "postgresql-base.sh", tmp_path / "kept")
    assert (done.returncode, "backup_manifest" in done.stderr, list((tmp_path / "kept").iterdir())) == (1, True, [])


def test_a_segment_that_is_archived_twice_is_taken_once_and_another_of_its_name_never(tmp_path):
    (tmp_path / "wal").mkdir()
    (tmp_path / "segment").write_bytes(b"log" * 9000)
    archived = tmp_path / "wal" / SEGMENT
    assert [run(tmp_path, "postgresql-wal.sh", "segment", archived).returncode for _ in range(2)] == [0, 0]
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "wal").iterdir()] == [(SEGMENT, b"log" * 9000)]
    (tmp_path / "segment").write_bytes(b"gol" * 9000)
    assert run(tmp_path, "postgresql-wal.sh", "segment", archived).returncode != 0
    assert archived.read_bytes() == b"log" * 9000
