"""What the password hash alone costs: `python -m tests.bench.hash_alone SECONDS` prints checks a second and CPU ms of each."""

import sys
import time

from idp.accounts.passwords import hash_password, matches
from tests.bench.person import PASSWORD


def main(seconds: float) -> str:
    stored, count = hash_password(PASSWORD), 0
    assert matches(stored, PASSWORD)
    started, spent = time.perf_counter(), time.process_time()
    while (took := time.perf_counter() - started) < seconds:
        matches(stored, PASSWORD)
        count += 1
    return f"{count / took:.2f} {1000 * (time.process_time() - spent) / count:.3f}"


if __name__ == "__main__":
    sys.stdout.write(main(float(sys.argv[1])))
