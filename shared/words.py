"""Key and language to words; folding and sorting of Vietnamese."""

import json
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("vi", "en")  # the first is the default

_ALPHABET = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_TONES = "\u0300\u0309\u0303\u0301\u0323"  # huyền, hỏi, ngã, sắc, nặng: the dictionary's order


@cache
def catalogue(language: str, packages: tuple[str, ...]) -> dict[str, str]:
    """All words of one language of the given packages, by key."""
    words: dict[str, str] = {}
    for package in packages:
        words |= json.loads((files(package) / "locales" / f"{language}.json").read_text("utf-8"))
    return words


def choose_language(accept: str, explicit: str | None = None) -> str:
    """The first known language of `explicit` (a cookie or parameter), then of an Accept-Language header."""
    if not accept and not explicit:  # programs say nothing
        return LANGUAGES[0]
    wanted = [explicit or ""] + [part.split(";")[0].strip() for part in accept.split(",")]
    return next((tag[:2].lower() for tag in wanted if tag[:2].lower() in LANGUAGES), LANGUAGES[0])


def say(language: str, packages: Sequence[str], key: str, /, **facts: Any) -> str:
    """The words for `key`, filled with `facts`; the key itself where words are missing (a test finds those)."""
    template = catalogue(language, tuple(packages)).get(key)
    if template is None:  # such a key may hold a stranger's words, and a pattern of theirs may take all the memory there is
        return key
    try:
        return template.format(**facts)
    except (KeyError, IndexError):
        return template


def nfc(text: str) -> str:
    """The one form in which text is stored: NFC, outer blanks cut."""
    return unicodedata.normalize("NFC", text).strip()


def fold(text: str) -> str:
    """For search without tone marks: lower case, no marks, đ as d."""
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return unicodedata.normalize("NFC", "".join(c for c in plain if not unicodedata.combining(c)))


def _word_key(word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    letters: list[int] = []
    tones: list[int] = []
    for sign in unicodedata.normalize("NFC", word.casefold()):
        parts = unicodedata.normalize("NFD", sign)
        tone = next((_TONES.index(c) + 1 for c in parts if c in _TONES), 0)
        base = unicodedata.normalize("NFC", "".join(c for c in parts if c not in _TONES))
        place = _ALPHABET.find(base)
        # Digits stand before the alphabet, foreign letters after it.
        letters.append(place if place >= 0 else ord(base[0]) + (-1000 if base < "a" else 1000))
        tones.append(tone)
    return tuple(letters), tuple(tones)


def sort_key(text: str) -> tuple[Any, ...]:
    """Dictionary order of the Vietnamese alphabet: letters first, tones after letters."""
    return tuple(_word_key(word) for word in text.split())


def name_key(full_name: str) -> tuple[Any, ...]:
    """Order of people: given name (the last word), then middle names, then family name."""
    words = full_name.split()
    return tuple(_word_key(word) for word in [*words[-1:], *words[1:-1], *words[:1]])
