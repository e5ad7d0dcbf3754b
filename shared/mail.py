"""Letters out: by SMTP, or as files in a folder where that is configured."""

import smtplib
import ssl
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.ids import new_id
from shared.settings import Settings

TIMEOUT = 10  # seconds


def send(settings: Settings, message: EmailMessage) -> None:
    """Hand one letter to the relay; raises `OSError` or `smtplib.SMTPException`, so that a job tries again.

    Without `SMTP_URL` nothing is sent, which is said once at start, not here.
    """
    url = urlsplit(settings.smtp_url)
    if url.scheme == "file":
        folder = Path(url.path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{new_id()}.eml").write_bytes(message.as_bytes())
    elif url.scheme in ("smtp", "smtps"):
        # The library's own default for TLS asks nobody for who they are.
        client = partial(smtplib.SMTP_SSL, context=ssl.create_default_context()) if url.scheme == "smtps" else smtplib.SMTP
        with client(url.hostname or "localhost", url.port or 0, timeout=TIMEOUT) as relay:
            if url.username:
                relay.login(unquote(url.username), unquote(url.password or ""))
            relay.send_message(message)
