"""Who may open what, until when. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """`readers` are opaque principals (the caller's package gives them meaning); without `until` it holds for good."""

    readers: frozenset[str]
    until: datetime | None = None


def may_open(rule: Rule, principals: Collection[str], now: datetime) -> bool:
    """Whether one of `principals` is a reader and the rule still holds at `now`."""
    return not rule.readers.isdisjoint(principals) and (rule.until is None or now < rule.until)
