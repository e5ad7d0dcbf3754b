"""A real SMTP receiver on loopback."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Receiver:
    """Keeps each letter; refuses whom it is told to, as a relay does."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refused = ""
        self.signed_in: list[tuple[bytes, bytes]] = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address == self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, data):
        self.signed_in.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss/word")


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[tuple[Receiver, int]]:
    """The receiver and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    receiver = Receiver()
    ways = {"authenticator": receiver.authenticate, "auth_require_tls": False, "ssl_context": tls}
    controller = Controller(receiver, "127.0.0.1", port, **ways)
    controller.start()
    yield receiver, port
    controller.stop()
