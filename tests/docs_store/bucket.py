"""A real S3-compatible server (nanio: signed requests, ranges, multipart uploads) on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ACCOUNT = {"ACCESS_KEY": "dienhong", "SECRET_KEY": "một bí mật của kho thử"}


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of an empty bucket; for the time of the block the usual AWS_* variables lead to it and open it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "ho-so").mkdir()  # a bucket is a folder
    command = [sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder)]
    keys = {f"NANIO_{name}": value for name, value in ACCOUNT.items()}
    with (folder / "log").open("wb") as log, pytest.MonkeyPatch.context() as environment:
        server = subprocess.Popen(command, env={**os.environ, **keys}, stdout=log, stderr=log)
        try:
            _wait(port)
            environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            environment.setenv("AWS_ALLOW_HTTP", "true")
            environment.setenv("AWS_ACCESS_KEY_ID", ACCOUNT["ACCESS_KEY"])
            environment.setenv("AWS_SECRET_ACCESS_KEY", ACCOUNT["SECRET_KEY"])
            yield "s3://ho-so"
        finally:
            server.terminate()
            server.wait(10)


def _wait(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("nanio did not start")
