"""Give out a stored version over HTTP: whole or by range, revalidated by its hash (RFC 9110)."""

import re
from typing import Literal, Protocol
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from docs_store.store import Store
from shared.words import fold, nfc


class Stored(Protocol):
    """What of a version is needed here."""

    @property
    def sha256(self) -> str: ...

    @property
    def size(self) -> int: ...


def answer_file(
    request: Request,
    store: Store,
    version: Stored,
    *,
    download_name: str,
    disposition: Literal["inline", "attachment"] = "inline",
    media_type: str = "application/pdf",
) -> Response:
    """200, 206, 304 or 416 for GET and HEAD."""
    headers = {
        "ETag": f'"{version.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600, immutable",
        "Content-Disposition": content_disposition(disposition, download_name),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return answer_stored(request, store, version, headers, media_type)


def answer_stored(request: Request, store: Store, version: Stored, headers: dict[str, str], media_type: str) -> Response:
    """The same with other headers. Several ranges at once get the whole file, as RFC 9110 14.2 allows."""
    tag = f'"{version.sha256}"'
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range", "") if request.headers.get("if-range", tag) == tag else ""
    span = _span(wanted, version.size)
    if span == "unsatisfiable":
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{version.size}"})
    start, end = span or (0, version.size)
    headers = headers | {"Content-Length": str(end - start)}
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{version.size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(store.read(version.sha256, start, end), status, headers, media_type)


def content_disposition(disposition: str, name: str) -> str:
    """RFC 6266: an ASCII `filename` for old clients, the true one as `filename*` (RFC 8187)."""
    clean = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]', "_", nfc(name))[:150].strip(". ") or "tai-lieu"
    plain = re.sub(r"[^A-Za-z0-9._ ()-]", "_", fold_keeping_case(clean))
    return f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='')}"


def fold_keeping_case(text: str) -> str:
    """Vietnamese without marks, capitals kept."""
    return "".join(fold(sign).upper() if sign.isupper() else fold(sign) for sign in text)


def _matches(header: str, tag: str) -> bool:
    return any(candidate.strip().removeprefix("W/") in (tag, "*") for candidate in header.split(",") if candidate)


def _span(header: str, size: int) -> tuple[int, int] | Literal["unsatisfiable"] | None:
    """The one range asked for, end exclusive; None where the header is absent, malformed or has several."""
    found = re.fullmatch(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", header, re.ASCII | re.IGNORECASE)
    if not found or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if first == "":
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    return (start, end) if start < end else "unsatisfiable"
