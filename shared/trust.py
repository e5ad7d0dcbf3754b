"""By whom the other end of a line under TLS must be vouched for."""

import ssl
from functools import cache


@cache
def authorities(more: str = "") -> ssl.SSLContext:
    """The machine's own authorities, or those that `SSL_CERT_FILE` names, and those in the file `more`. For HTTP alone, since
    httpx has it offer `http/1.1`. Read once, for that takes some 30 ms."""
    context = ssl.create_default_context()
    if more:
        context.load_verify_locations(more)
    return context
