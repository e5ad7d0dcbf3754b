"""JSON as tokens hold it: what no two readers can take differently."""

import json
from typing import Any


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 (RFC 7519, 7.2); joserfc would take the other encodings and repeated members of a header too."""
    return dict(json.loads(data.decode(), cls=_Strict).items())


class _Strict(json.JSONDecoder):
    """JSON that no two readers can take differently: no member twice, no NaN, only text that can be written."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_once, parse_constant=_no_number)

    def decode(self, s: str, *args: Any) -> Any:
        value = super().decode(s, *args)
        if not s.isascii() or "\\u" in s:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
        return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _no_number(name: str) -> Any:
    raise ValueError(name)
