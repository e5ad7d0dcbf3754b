"""Marks of state secrecy: MẬT, TỐI MẬT, TUYỆT MẬT (Law on protection of state secrets 2018; Decree 26/2020/NĐ-CP). Pure.

A mark is a piece of text that stands alone, in capitals, in the upper half of a page. `bảo mật`, `BÍ MẬT` and `Mật khẩu`
are words in a sentence or a heading, not marks. Marks in the old encodings TCVN3 and VNI are known too. What is only an
image is not seen.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.words import fold, nfc

MARKS = {"mật": "MẬT", "tốimật": "TỐI MẬT", "tuyệtmật": "TUYỆT MẬT", "toimat": "TỐI MẬT", "tuyetmat": "TUYỆT MẬT"}
OLD_ENCODINGS = {
    **dict.fromkeys(("MËT", "mËt", "MAÄT"), "MẬT"),
    **dict.fromkeys(("TèIMËT", "TèIMËt", "tèimËt", "TOÁIMAÄT"), "TỐI MẬT"),
    **dict.fromkeys(("TUYÖTMËT", "tuyÖtmËt", "TUYEÄTMAÄT"), "TUYỆT MẬT"),
}
LABEL = re.compile(r"^(độ|mức độ|mức|dấu|dấu chỉ độ)\s+mật\s*[:.\-–]\s*(?P<mark>.+)$")
DELIMITERS = re.compile(r"[\[\](){}<>,;:|/\\_+–—\"“”]|\s-\s|\.(?=\w{2,4}$)")
BREAKS_BEFORE_MARK = (
    ["bi"],
    ["bao"],
    ["can"],
    ["giu"],
    ["noi"],
)  # the first half of bí mật, bảo mật, cẩn mật ... at a line's end


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text on one line, parted from its neighbours by a wide gap. Points, from the page's top left."""

    text: str
    left: float
    top: float
    right: float


def mark_in_text(text: str) -> str | None:
    """The mark that `text` as a whole is, in capitals or after a label such as `Độ mật:`."""
    plain = nfc(text).strip(" .*-–—_|[](){}\"'“”")
    if old := OLD_ENCODINGS.get("".join(plain.split())):
        return old
    labelled = LABEL.match(plain.casefold())
    if labelled or plain.isupper():
        return _mark(labelled.group("mark") if labelled else plain)
    return None


def _mark(words: str) -> str | None:
    # Marks of tone count: MẶT and MẮT are other words, and "vắng mặt" breaks its line in many a table.
    return MARKS.get("".join(words.casefold().split()))


def mark_on_page(segments: Sequence[Segment], height: float) -> str | None:
    """The first mark in the upper half of a page `height` points high."""
    for place, segment in enumerate(segments):
        if segment.top <= height / 2 and (mark := mark_in_text(segment.text)) and not _continues(segments[:place], segment):
            return mark
    return None


def mark_in_words(fields: Iterable[str]) -> str | None:
    """A mark among titles, keywords or file names, in any case, parted from the rest by a delimiter."""
    for field in fields:
        for piece in DELIMITERS.split(nfc(field)):
            if mark := _mark(piece):
                return mark
    return None


def _continues(before: Sequence[Segment], segment: Segment) -> bool:
    """Whether the segment ends a word of two syllables that began before it: on the line above, as in a narrow table cell, or
    across a wide gap of a justified line."""
    above = [one for one in before if one.top < segment.top and one.left < segment.right and one.right > segment.left]
    beside = [one for one in before[-1:] if abs(one.top - segment.top) < 6]
    last = [max(above, key=lambda one: one.top, default=None), *beside]
    return any(fold(one.text).split()[-1:] in BREAKS_BEFORE_MARK for one in last if one)


def find(
    name: str, metadata: Mapping[str, str], pages: Iterable[tuple[Sequence[Segment], float]]
) -> tuple[str, str, int] | None:
    """(mark, place, page) with place one of name, metadata, page; page from 1, or 0."""
    if mark := mark_in_words([name]):
        return mark, "name", 0
    if mark := mark_in_words(metadata.values()):
        return mark, "metadata", 0
    for number, (segments, height) in enumerate(pages, 1):
        if mark := mark_on_page(segments, height):
            return mark, "page", number
    return None
