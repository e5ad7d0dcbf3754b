"""A host on the other side of the network: real TLS on loopback, its certificate from an authority of its own."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
Send = Callable[[bytes], None]
Answer = bytes | Callable[[Send], None]


@dataclass
class Outside:
    """`pages`: path -> a body, or what writes the whole answer. `ca` is the file of its authority."""

    port: int
    ca: Path
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"https://{self.netloc}{path}"

    def serve(self, connection: ssl.SSLSocket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (got := connection.recv(65536)):
            head += got
        path = head.split(b" ")[1].decode()
        host = next((line[6:] for line in head.decode().split("\r\n") if line.lower().startswith("host: ")), "")
        self.asked.append(path)
        self.hosts.append(host)
        page = self.pages.get(path, lambda send: send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        if callable(page):
            page(connection.sendall)
        else:
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(page) + page)


def slowly(send: Send) -> None:
    """A byte each tenth of a second, for longer than anybody waits."""
    send(OK + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        send(b"x")
        time.sleep(0.1)


def endlessly(send: Send) -> None:
    send(OK + b"\r\n")
    while True:
        send(b"x" * 65536)


def many_headers(send: Send) -> None:
    send(OK + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"Content-Length: 2\r\n\r\n{}")


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate(folder))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    world, over = Outside(listener.getsockname()[1], folder / "ca.pem"), threading.Event()

    def answer(plain: socket.socket) -> None:
        plain.settimeout(30)
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                world.serve(connection)
        except (OSError, IndexError):
            plain.close()  # who came has gone, or did not trust us

    def accept() -> None:
        while not over.is_set():
            try:
                plain, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=answer, args=(plain,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield world
    finally:
        over.set()
        thread.join()
        listener.close()


def server_certificate(folder: Path) -> Path:
    """A file with key and certificate for localhost and 127.0.0.1; its authority beside it as `ca.pem`."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=outside")
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=outside's authority")

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(ca_name, subject, public, x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    usage = x509.KeyUsage(*([False] * 5), key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
    ca = build(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    authority = ca.add_extension(usage, critical=True).sign(ca_key, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    own = build(name, key.public_key()).add_extension(names, critical=False).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "own.pem").write_bytes(private + own.public_bytes(pem))
    return folder / "own.pem"
