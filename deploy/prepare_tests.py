"""What the tests need of the machine: named, and on Debian as root installed; and the packages of the conformance peer.

`SKIP_MISSING=no` makes a missing part an error instead of skipped tests (continuous integration sets it).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# What is looked for, and the Debian package that brings it.
NEEDED = {
    "/usr/bin/chromium": "chromium",
    "/usr/bin/pdfsig": "poppler-utils",
    "/usr/bin/qpdf": "qpdf",
}


ROOT = Path(__file__).parents[1]
PEER = ROOT / "tests" / "conformance" / "peer"


def install_peer() -> None:
    """An OpenID Connect client that is not ours, for tests/conformance."""
    stamp, lock = PEER / "node_modules" / ".stamp", PEER / "package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        npm = [str(ROOT / "deploy" / "node"), "npm", "ci", "--loglevel", "error", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=PEER, check=True, stdout=subprocess.DEVNULL)
        stamp.touch()


def install(needed: dict[str, str]) -> list[str]:
    """The packages that are still missing after an attempt, which only root on Debian can make."""
    missing = [package for path, package in needed.items() if not Path(path).exists()]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {', '.join(missing)}", flush=True)
        quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]):
            subprocess.run(command, check=False, env=quiet, stdout=subprocess.DEVNULL)
        missing = [package for path, package in needed.items() if not Path(path).exists()]
    if missing:
        print(f"Missing: {', '.join(missing)} (apt-get install {' '.join(missing)}). The tests that need them are skipped.")
    return missing


def main() -> int:
    install_peer()
    return 1 if install(NEEDED) and os.environ.get("SKIP_MISSING") == "no" else 0


if __name__ == "__main__":
    sys.exit(main())
