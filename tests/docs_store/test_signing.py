"""Signatures: made at the highest level the services allow, judged strictly, and no byte changes unseen."""

import io
import random
import re
import subprocess
from pathlib import Path

import pikepdf
import pytest

from docs_store import sandbox
from docs_store.annotations import NoteMark, annotate
from docs_store.fields import prepare
from docs_store.pdf import intake
from docs_store.problems import SigningFailed
from docs_store.signing import Stamp, extend, open_signer, sign
from docs_store.validation import Validation, validate, validate_untrusted
from shared.clock import now
from tests.docs_store.papers import one_page
from tests.docs_store.pki import PASSPHRASE
from tests.docs_store.signatures import FIELDS, NOWHERE, Case


def hole(pdf: bytes) -> tuple[int, int]:
    """Where the digits of the last signature's container begin and end."""
    first, second = re.findall(rb"/ByteRange \[0 (\d+) (\d+)", pdf)[-1]
    return int(first) + 1, int(second) - 1


def kinds(verdict: Validation) -> set[str]:
    return {fault.kind for fault in verdict.faults}


def test_two_signatures_at_b_lt_are_valid_to_us_and_to_poppler(case: Case, tmp_path: Path) -> None:
    assert (case.once.level, case.once.pending, case.twice.level) == ("B-LT", "", "B-LT")
    verdict = case.judge(case.twice.data)
    assert (verdict.ok, verdict.faults) == (True, ())
    secretary, chair = verdict.signatures
    assert (secretary.signer, secretary.field, secretary.reason) == ("Nguyễn Thị Hồng Hạnh", "secretary", "Ký biên bản")
    assert (secretary.covers, secretary.modification, secretary.level) == ("revision", "form_filling", "B-LT")
    assert (chair.signer, chair.covers, chair.modification) == ("Bùi Đức Thiện", "file", "none")
    assert secretary.claimed_at == case.at.replace(microsecond=0).isoformat()
    assert secretary.stamped_at is not None
    assert chair.intact
    assert chair.trusted
    assert verdict.attachments == {"bang-chung.json": b'{"a":1}'}
    (tmp_path / "a.pdf").write_bytes(case.twice.data)
    told = subprocess.run(["pdfsig", "-nocert", "a.pdf"], cwd=tmp_path, capture_output=True, text=True).stdout
    assert told.count("Signature is Valid") == 2
    assert "Total document signed" in told


def test_the_first_signature_alone_is_valid_too(case: Case) -> None:
    assert case.judge(case.once.data).ok


def test_the_confined_process_comes_to_the_same_verdict(case: Case) -> None:
    verdict = validate_untrusted(case.twice.data, [case.pki.root], now=now())
    assert verdict.ok
    assert verdict.signatures == case.judge(case.twice.data).signatures
    assert verdict.attachments == {"bang-chung.json": b'{"a":1}'}


def test_a_flipped_byte_anywhere_is_caught(case: Case) -> None:
    whole = case.twice.data
    chance = random.Random(20261209)  # noqa: S311
    places = [
        0,
        8,
        len(whole) - 1,
        len(whole) - 3,
        *chance.sample(range(*hole(whole)), 6),
        *chance.sample(range(len(whole)), 14),
    ]
    for place in places:
        bad = bytearray(whole)
        bad[place] ^= 1 << chance.randrange(7)
        verdict = case.judge(bytes(bad))
        assert not verdict.ok, f"byte {place}"
        assert verdict.faults, f"byte {place}"


def test_the_damaged_signature_is_named(case: Case) -> None:
    early = bytearray(case.twice.data)
    early[len(case.blank) // 2] ^= 1
    assert not case.judge(bytes(early)).ok
    late = bytearray(case.twice.data)
    late[case.twice.data.rindex(b"/Reason")] ^= 4
    assert {fault.field for fault in case.judge(bytes(late)).faults if fault.kind == "altered"} <= {"chair", ""}


@pytest.mark.parametrize("change", ["padding", "lower-case", "label"])
def test_the_container_of_the_last_signature_hides_nothing(case: Case, change: str) -> None:
    whole = case.twice.data
    start, end = hole(whole)
    bad = bytearray(whole)
    if change == "padding":
        bad[end - 1] = ord("1")
    elif change == "lower-case":
        place = next(place for place in range(start + 900, end) if bad[place] in b"ABCDEF")
        bad[place] ^= 0x20
    else:  # the attribute that says "this is a timestamp" (1.2.840.113549.1.9.16.2.14)
        label = bytes.fromhex("2a864886f70d010910020e").hex().upper().encode()
        bad[whole.index(label, start) + len(label) - 1] = ord("F")
    verdict = case.judge(bytes(bad))
    assert not verdict.ok
    assert ("container", "chair") in {(fault.kind, fault.field) for fault in verdict.faults}


def test_bytes_after_the_last_signature_are_caught(case: Case) -> None:
    assert "trailing-bytes" in kinds(case.judge(case.twice.data + b"% nothing\n"))
    assert not case.judge(case.twice.data[:-1]).ok


def test_an_annotation_after_signing_is_caught_though_the_signatures_stay_intact(case: Case) -> None:
    note = NoteMark("n1", 0, "text", "#ffd43b", "x", case.at, text="thêm", at=(1000, 5000))
    verdict = case.judge(annotate(case.twice.data, [note]))
    assert not verdict.ok
    assert all(signature.intact for signature in verdict.signatures)
    assert {"changed-after", "trailing-bytes"} <= kinds(verdict)


def test_a_rewritten_file_is_caught(case: Case) -> None:
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(case.twice.data)) as pdf:
        pdf.save(buffer)
    verdict = case.judge(buffer.getvalue())
    assert not verdict.ok


def test_a_replaced_page_in_an_update_after_signing_is_caught(case: Case) -> None:
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, NameObject

    writer = PdfWriter(io.BytesIO(case.twice.data), incremental=True)
    content = DecodedStreamObject()
    content.set_data(b"0 0 500 500 re f")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(content)
    buffer = io.BytesIO()
    writer.write(buffer)
    assert "changed-after" in kinds(case.judge(buffer.getvalue()))


def test_without_its_trust_root_nothing_is_trusted(case: Case) -> None:
    verdict = validate(case.twice.data, [_stranger(case)], now=now())
    assert kinds(verdict) >= {"untrusted"}
    assert all(signature.intact and not signature.trusted for signature in verdict.signatures)


def _stranger(case: Case) -> bytes:
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key, name = generate_private_key(SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, case.at, case.at + timedelta(days=1))
    return made.sign(key, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("key", ["revoked", "expired"])
def test_a_certificate_that_is_not_good_signs_nothing(case: Case, key: str) -> None:
    with pytest.raises(SigningFailed) as refused:
        case.sign(case.blank, "secretary", key=key)
    assert refused.value.facts == {"reason": "certificate"}


def test_a_signature_by_a_revoked_certificate_is_told_once_the_proof_is_there(case: Case) -> None:
    early = case.sign(case.blank, "secretary", key="revoked", tsa="", roots=False)
    good = case.sign(early.data, "chair")
    assert good.level == "B-LT"
    with pytest.raises(SigningFailed):
        extend(good.data, tsa_url=case.pki.tsa, trust_roots=[case.pki.root])


def test_a_timestamp_authority_that_is_away_delays_only_the_proof(case: Case) -> None:
    pending = case.sign(case.blank, "secretary", tsa=NOWHERE)
    assert (pending.level, pending.pending) == ("B-B", "timestamp")
    verdict = case.judge(pending.data)
    assert (verdict.ok, verdict.signatures[0].level, verdict.signatures[0].stamped_at) == (True, "B-B", None)
    with pytest.raises(SigningFailed) as refused:
        extend(pending.data, tsa_url=NOWHERE, trust_roots=[case.pki.root])
    assert refused.value.facts == {"reason": "away"}
    mended = extend(pending.data, tsa_url=case.pki.tsa, trust_roots=[case.pki.root])
    assert mended.startswith(pending.data)
    verdict = case.judge(mended)
    assert (verdict.ok, len(verdict.timestamps)) == (True, 1)
    assert verdict.timestamps[0].authority == "Dấu thời gian thử nghiệm"
    bad = bytearray(mended)
    bad[hole(mended)[0] + 3000] ^= 1
    assert not case.judge(bytes(bad)).ok


def test_without_services_the_level_is_b_b_and_says_why(case: Case) -> None:
    made = case.sign(case.blank, "secretary", tsa="", roots=False)
    assert (made.level, made.pending) == ("B-B", "not-configured")


@pytest.mark.parametrize("field", ["no-such-field", "secretary"])
def test_a_field_that_is_missing_or_filled_is_refused(case: Case, field: str) -> None:
    with open_signer(case.pki.p12("chair"), PASSPHRASE) as signer, pytest.raises(SigningFailed) as refused:
        sign(case.once.data, signer, field=field, stamp=Stamp("x", "", case.at), reason="", now=case.at)
    assert refused.value.facts == {"reason": "field"}


def test_a_wrong_passphrase_or_a_missing_key_is_refused(case: Case) -> None:
    for path, passphrase in ((case.pki.p12("chair"), "sai"), ("/nowhere.p12", ""), ("/nowhere.pem", "")):
        with pytest.raises(SigningFailed) as refused, open_signer(path, passphrase):
            pass
        assert refused.value.facts == {"reason": "key"}


def test_the_prepared_fields_are_named_and_stand_in_the_structure(case: Case) -> None:
    with pikepdf.open(io.BytesIO(case.twice.data)) as pdf:
        widgets = list(pdf.pages[-1].Annots)
        assert [str(widget.TU) for widget in widgets] == [field.label for field in FIELDS]
        parents = pikepdf.NumberTree(pdf.Root.StructTreeRoot.ParentTree)
        for widget in widgets:
            element = parents[int(widget.StructParent)]
            assert str(element.S) == "/Form"
            assert element.K.Obj.objgen == widget.objgen
    assert prepare(case.blank, []) == prepare(case.blank, [])


def test_a_signed_paper_is_taken_in_byte_for_byte(case: Case) -> None:
    got = intake(case.twice.data, "bien-ban.pdf")
    assert got.data == case.twice.data
    assert {"signed-kept-as-is", "attachments-kept"} <= {warning["code"] for warning in got.warnings}


@pytest.mark.parametrize("data", [b"", b"not a pdf", one_page(), b"%PDF-1.7\n" + b"[" * 100_000])
def test_any_file_at_all_gets_a_verdict(case: Case, data: bytes) -> None:
    verdict = validate(data, [case.pki.root], now=case.at)
    assert not verdict.ok
    assert kinds(verdict) & {"unsigned", "unparsable"}


def test_a_file_that_kills_the_confined_process_gets_a_verdict(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 0.01)
    assert kinds(validate_untrusted(case.twice.data, [case.pki.root], now=case.at)) == {"unparsable"}
