"""Finding words in a paper's text, with or without tone marks."""

from dataclasses import dataclass

from shared.words import fold, nfc

AROUND = 48  # signs shown before and after a hit
MOST = 200


@dataclass(frozen=True, slots=True)
class Hit:
    """`page` from 1."""

    page: int
    before: str
    match: str
    after: str


def search(pages: list[str], query: str) -> list[Hit]:
    """Every place where `query` stands, in order. Marks count only if the query has some."""
    wanted = nfc(query).casefold()
    plain = fold(wanted)
    if not wanted:
        return []
    exact = plain != wanted
    hits: list[Hit] = []
    for number, page in enumerate(pages, 1):
        text = nfc(" ".join(page.split()))
        haystack = text.casefold() if exact else fold(text)
        if len(haystack) != len(text):  # a sign that folds to two: show the folded text, whose places are right
            text = haystack
        needle, start = (wanted if exact else plain), 0
        while (found := haystack.find(needle, start)) >= 0 and len(hits) < MOST:
            start = found + len(needle)
            hits.append(Hit(number, text[max(0, found - AROUND) : found], text[found:start], text[start : start + AROUND]))
    return hits
