"""A prepared document, signed by one and by both, with the services of `pki`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from docs_store.fields import Field, prepare
from docs_store.signing import Signed, Stamp, extend, open_signer, sign
from docs_store.typeset import typeset
from docs_store.validation import Validation, validate
from shared.clock import now
from tests.docs_store.papers import TEMPLATES
from tests.docs_store.pki import PASSPHRASE, Pki

FIELDS = [
    Field("secretary", "Chữ ký của thư ký", -1, (90, 90, 270, 150)),
    Field("chair", "Chữ ký của chủ tọa", -1, (330, 90, 510, 150)),
]
PEOPLE = {"secretary": ("Nguyễn Thị Hồng Hạnh", "Thư ký kỳ họp"), "chair": ("Bùi Đức Thiện", "Chủ tọa")}
NOWHERE = "http://127.0.0.1:9/tsa"


@dataclass
class Case:
    pki: Pki
    at: datetime
    blank: bytes
    once: Signed
    twice: Signed

    def sign(self, pdf: bytes, field: str, *, key: str = "", tsa: str | None = None, roots: bool = True) -> Signed:
        name, role = PEOPLE[field]
        with open_signer(self.pki.p12(key or field), PASSPHRASE) as signer:
            return sign(
                pdf,
                signer,
                field=field,
                stamp=Stamp(name, role, self.at),
                reason="Ký biên bản",
                now=self.at,
                trust_roots=[self.pki.root] if roots else [],
                tsa_url=self.pki.tsa if tsa is None else tsa,
            )

    def judge(self, pdf: bytes, after: timedelta = timedelta(0)) -> Validation:
        return validate(pdf, [self.pki.root], now=now() + after)

    def extend(self, pdf: bytes) -> bytes:
        return extend(pdf, tsa_url=self.pki.tsa, trust_roots=[self.pki.root])


def make_case(pki: Pki) -> Case:
    at = now()
    blank = prepare(typeset(TEMPLATES / "minutes.typ", {}, now=at, attachments={"bang-chung.json": b'{"a":1}'}), FIELDS)
    case = Case(pki, at, blank, Signed(b"", "B-B", ""), Signed(b"", "B-B", ""))
    case.once = case.sign(blank, "secretary")
    case.twice = case.sign(case.once.data, "chair")
    return case
