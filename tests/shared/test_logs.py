"""One event, one line of JSON, whatever stands in it."""

import json
import subprocess
import sys

SCENE = r"""
import logging, structlog
from shared.logs import configure
configure("INFO")
log = structlog.get_logger()
log.debug("not shown")
log.info("odd", agent="a\r\nFAKE {\"level\": \"info\"}\x1b[31m ${jndi:ldap://x}", name="Nguyễn")
logging.getLogger("uvicorn.error").warning("from the library\n%s", "second line")
try:
    raise LookupError("lost")
except LookupError:
    log.exception("failed")
"""


def test_a_line_of_the_log_cannot_be_forged():
    done = subprocess.run([sys.executable, "-c", SCENE], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert sorted(line["event"] for line in lines) == ["failed", "from the library\nsecond line", "odd"]
    odd = next(line for line in lines if line["event"] == "odd")
    assert odd["agent"].startswith("a\r\nFAKE")
    assert (odd["name"], odd["level"]) == ("Nguyễn", "info")
    assert "LookupError: lost" in next(line for line in lines if line["event"] == "failed")["exception"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert "\x1b" not in done.stdout + done.stderr
