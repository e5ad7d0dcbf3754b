"""What a signature does not vouch for by itself: the bytes of its own container.

A signature covers the file but for the hole that holds it. That hole is 20,000 signs of which a verifier reads half: padding,
certificates that it finds elsewhere too, a timestamp that it ignores once its label is spoilt. Here every one of those bytes is
held to be what it must be, so that no sign of a sealed file can change unseen.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from asn1crypto import cms, parser
from cryptography import x509
from cryptography.exceptions import InvalidSignature

TOKEN = "signature_time_stamp_token"  # noqa: S105
BOOLEAN, INTEGER = 1, 2


def hole_is_whole(pdf: bytes, byte_range: Iterable[int], issuers: Iterable[bytes]) -> bool:
    """Whether the signature container between the two ranges is nothing but one sound CMS object and zeros.

    `issuers` are DER certificates from elsewhere (trust roots, the document's store) that may have issued those within.
    """
    start, first, second, _ = byte_range
    hole = pdf[first:second]
    if start != 0 or hole[:1] != b"<" or hole[-1:] != b">":
        return False
    digits = hole[1:-1]
    content = cms.ContentInfo.load(bytes.fromhex(digits.decode("ascii")))
    expected = content.dump().hex().ljust(len(digits), "0").encode()
    if digits not in (expected, expected.upper()):
        return False
    return _is_sound(content, [x509.load_der_x509_certificate(issuer) for issuer in issuers])


def _is_sound(content: Any, issuers: list[x509.Certificate]) -> bool:
    der, signed = content.dump(), content["content"]
    inner = [x509.load_der_x509_certificate(one.chosen.dump()) for one in signed["certificates"]]
    signers = list(signed["signer_infos"])
    kind = signed["encap_content_info"]["content_type"].native
    return (
        content["content_type"].native == "signed_data"
        and is_der(der)
        and signed["version"].native == ("v1" if kind == "data" else "v3")  # RFC 5652, 5.1
        and len(signers) == 1
        and signers[0]["version"].native == "v1"
        and [one.dump() for one in signed["digest_algorithms"]] == [signers[0]["digest_algorithm"].dump()]
        and all(_is_issued(certificate, [*inner, *issuers]) for certificate in inner)
        and all(_is_sound(token, [*inner, *issuers]) if token else False for token in _unsigned(signers[0]))
    )


def is_der(data: bytes) -> bool:
    """Whether `data` is a row of values written in the one way that DER allows (X.690, 10 and 11).

    By headers alone: encoding the parsed whole anew takes asn1crypto time that doubles with each level.
    """
    while data:
        tagged, constructed, tag, header, content, trailer = parser.parse(data)
        plain = (tagged, constructed) == (0, 0)
        if trailer or parser.emit(tagged, constructed, tag, content) != header + content:
            return False
        if constructed and not is_der(content):
            return False
        if plain and tag == BOOLEAN and content not in (b"\x00", b"\xff"):
            return False
        if plain and tag == INTEGER and len(content) > 1 and (content[0], content[1] >> 7) in ((0, 0), (255, 1)):
            return False
        data = data[len(header) + len(content) :]
    return True


def _unsigned(signer: Any) -> Iterator[Any]:
    """Each timestamp among the unsigned attributes; None for any other attribute, which nobody vouches for."""
    for attribute in signer["unsigned_attrs"] or ():
        yield from attribute["values"] if attribute["type"].native == TOKEN else [None]


def _is_issued(certificate: x509.Certificate, issuers: list[x509.Certificate]) -> bool:
    for issuer in issuers:
        if issuer.subject == certificate.issuer:
            try:
                certificate.verify_directly_issued_by(issuer)
            except (InvalidSignature, TypeError, ValueError):
                continue
            return True
    return False
