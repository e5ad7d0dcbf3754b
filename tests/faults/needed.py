"""What the long tier needs of the machine: named, and on Debian as root installed. What is missing is said in the report."""

from deploy import prepare_tests

NEEDED = {
    "/usr/lib/postgresql/15/bin/initdb": "postgresql-15",
    "/usr/sbin/haproxy": "haproxy",
    "/usr/sbin/nft": "nftables",
    "/usr/bin/faketime": "faketime",
    "/usr/bin/prlimit": "util-linux",
}

if __name__ == "__main__":
    prepare_tests.install(NEEDED)
