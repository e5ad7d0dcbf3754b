"""The sample province: tỉnh Bình Lâm, which does not exist, its units, bodies, people and mandates.

The same on every run. Passwords are made where the demonstration is set up, never here.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from shared.words import fold

PROVINCE = "tỉnh Bình Lâm"
MAIL_DOMAIN = "binhlam.example"
ADMINISTRATOR = "baotq"
SECRETARY = "hanhnth"

COUNCIL, COMMITTEE, COMMUNE_COUNCIL = "hdnd-tinh", "ubnd-tinh", "hdnd-xa-tan-lam"

Role = Literal["chair", "secretary", "member", "teller"]


@dataclass(frozen=True, slots=True)
class Unit:
    code: str
    name: str
    kind: Literal["province", "department", "commune"]
    parent: str | None  # code; there are two levels only, no district


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    honorific: str  # Ông, Bà
    name: str
    email: str
    unit: str  # code
    post: str


@dataclass(frozen=True, slots=True)
class Body:
    code: str
    name: str
    kind: Literal["peoples_council", "peoples_committee"]
    unit: str  # code
    term: str


@dataclass(frozen=True, slots=True)
class Membership:
    body: str  # code
    username: str
    role: Role
    votes: bool
    group: str  # `Tổ 4`, empty in a committee
    seat: str  # `B07`, empty in a committee


UNITS = (
    Unit("binh-lam", "Tỉnh Bình Lâm", "province", None),
    Unit("vp-hdnd", "Văn phòng Đoàn ĐBQH và HĐND tỉnh", "department", "binh-lam"),
    Unit("vp-ubnd", "Văn phòng UBND tỉnh", "department", "binh-lam"),
    Unit("so-tai-chinh", "Sở Tài chính", "department", "binh-lam"),
    Unit("so-noi-vu", "Sở Nội vụ", "department", "binh-lam"),
    Unit("so-tu-phap", "Sở Tư pháp", "department", "binh-lam"),
    Unit("so-cong-thuong", "Sở Công Thương", "department", "binh-lam"),
    Unit("so-nong-nghiep-moi-truong", "Sở Nông nghiệp và Môi trường", "department", "binh-lam"),
    Unit("so-xay-dung", "Sở Xây dựng", "department", "binh-lam"),
    Unit("so-giao-duc", "Sở Giáo dục và Đào tạo", "department", "binh-lam"),
    Unit("so-y-te", "Sở Y tế", "department", "binh-lam"),
    Unit("so-khoa-hoc", "Sở Khoa học và Công nghệ", "department", "binh-lam"),
    Unit("so-van-hoa", "Sở Văn hóa, Thể thao và Du lịch", "department", "binh-lam"),
    Unit("so-dan-toc", "Sở Dân tộc và Tôn giáo", "department", "binh-lam"),
    Unit("cong-an", "Công an tỉnh", "department", "binh-lam"),
    Unit("quan-su", "Bộ Chỉ huy Quân sự tỉnh", "department", "binh-lam"),
    Unit("phuong-loc-an", "Phường Lộc An", "commune", "binh-lam"),
    Unit("xa-tan-lam", "Xã Tân Lâm", "commune", "binh-lam"),
    Unit("xa-da-hoa", "Xã Đạ Hòa", "commune", "binh-lam"),
    Unit("dac-khu-hon-lan", "Đặc khu Hòn Lan", "commune", "binh-lam"),
)

BODIES = (
    Body(COUNCIL, "Hội đồng nhân dân tỉnh Bình Lâm", "peoples_council", "binh-lam", "khóa XI, nhiệm kỳ 2026–2031"),
    Body(COMMITTEE, "Ủy ban nhân dân tỉnh Bình Lâm", "peoples_committee", "binh-lam", "nhiệm kỳ 2026–2031"),
    Body(COMMUNE_COUNCIL, "Hội đồng nhân dân xã Tân Lâm", "peoples_council", "xa-tan-lam", "khóa XI, nhiệm kỳ 2026–2031"),
)

_COLUMNS = {"council": COUNCIL, "committee": COMMITTEE, "commune": COMMUNE_COUNCIL}


def username(name: str, taken: Iterable[str]) -> str:
    """Given name and initials in plain letters, `hanhnth`; a number from 2 on where that is taken."""
    *before, given = re.sub(r"[^a-z ]", "", fold(name)).split()
    plain = given + "".join(word[0] for word in before)
    known, count = set(taken), 1
    while (candidate := plain if count == 1 else f"{plain}{count}") in known:
        count += 1
    return candidate


def _read() -> tuple[tuple[Person, ...], tuple[Membership, ...]]:
    people: dict[str, Person] = {}
    memberships: list[Membership] = []
    with (files("deploy.demo") / "data" / "people.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            user = username(row["name"], people)
            people[user] = Person(user, row["honorific"], row["name"], f"{user}@{MAIL_DOMAIN}", row["unit"], row["post"])
            memberships += [_membership(row, user, column) for column in _COLUMNS if row[column]]
    return tuple(people.values()), tuple(memberships)


def _membership(row: dict[str, str], user: str, column: str) -> Membership:
    role: Role = row[column]  # type: ignore[assignment]  # the file is ours and a test reads it
    # A deputy of the province who also sits in the commune has a group and a seat in the province's hall only.
    seated = column != "committee" and not (column == "commune" and row["council"])
    group, seat = (f"Tổ {row['group']}", row["seat"]) if seated and row["group"] else ("", "")
    return Membership(_COLUMNS[column], user, role, role != "teller", group, seat)


PEOPLE, MEMBERSHIPS = _read()
BY_USERNAME = {person.username: person for person in PEOPLE}


def members(body: str) -> list[tuple[Person, Membership]]:
    """All who have a part in `body`, in the order of its list."""
    return [(BY_USERNAME[one.username], one) for one in MEMBERSHIPS if one.body == body]


def chair(body: str) -> Person:
    return next(person for person, membership in members(body) if membership.role == "chair")
