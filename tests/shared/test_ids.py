"""Ids and secrets: random, of one shape, and read aloud without mistake."""

import re
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import CODE_SIGNS, digest, fingerprint, new_id, new_token, same, short_code


def test_ids_and_tokens_have_one_shape_and_never_come_twice():
    ids, tokens = {new_id() for _ in range(2000)}, {new_token() for _ in range(2000)}
    assert (len(ids), len(tokens)) == (2000, 2000)
    assert all(re.fullmatch(r"[0-9a-f]{26}", one) for one in ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", one) for one in tokens)


def test_what_is_stored_of_a_secret_is_its_sha256():
    assert digest("mật khẩu") == sha256("mật khẩu".encode()).hexdigest()


@given(st.text(), st.text())
def test_secrets_are_the_same_only_if_they_are_equal(left, right):
    encodable = not any("\ud800" <= sign <= "\udfff" for sign in left + right)
    if encodable:
        assert same(left, right) is (left == right)
        assert same(left, left)


@given(st.binary(min_size=8, max_size=40))
def test_a_short_code_has_six_signs_that_cannot_be_taken_for_each_other(source):
    code = short_code(source)
    assert re.fullmatch(rf"[{CODE_SIGNS}]{{3}}-[{CODE_SIGNS}]{{3}}", code)
    assert short_code(source[:8] + b"whatever follows") == code
    assert not set(CODE_SIGNS) & set("01ILOU")


def test_a_fingerprint_is_the_beginning_of_a_hash_in_groups():
    assert fingerprint("9f3a22c1" + "0" * 56) == "9F3A-22C1"
    assert fingerprint("9f3a22c1deadbeef", 4) == "9F3A-22C1-DEAD-BEEF"
