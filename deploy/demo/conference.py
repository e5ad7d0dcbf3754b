"""The sample conference: the whole province at 154 bridges, down to each commune, ward and the special zone.

Who has an account leads the bridge of their unit; all others are names on a list, the same on every run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from deploy.demo.budget import communes
from deploy.demo.province import COMMITTEE, PEOPLE, SECRETARY, UNITS, chair, members, username

NAME = "Hội nghị trực tuyến toàn tỉnh Bình Lâm"
TITLE = "Hội nghị trực tuyến đến cấp xã về chuyển đổi số"
PLACE = "Hội trường tỉnh và 154 điểm cầu"
ITEMS = (
    ("Khai mạc, giới thiệu đại biểu", "UBND tỉnh", 10),
    ("Báo cáo kết quả chuyển đổi số của tỉnh", "Sở Khoa học và Công nghệ", 30),
    ("Thảo luận tại các điểm cầu", "Đại biểu các điểm cầu", 60),
    ("Kết luận, bế mạc", "Chủ tịch UBND tỉnh", 10),
)
SEATS = 3  # at a bridge, at least
OFFICES = {
    "VP HĐND": "Văn phòng Đoàn ĐBQH và HĐND tỉnh", "UBND tỉnh": "Văn phòng UBND tỉnh", "Sở TC": "Sở Tài chính",
    "Sở XD": "Sở Xây dựng", "Sở Y tế": "Sở Y tế", "Sở GDĐT": "Sở Giáo dục và Đào tạo", "Sở Nội vụ": "Sở Nội vụ",
    "Sở Tư pháp": "Sở Tư pháp", "Sở KHCN": "Sở Khoa học và Công nghệ", "Sở CT": "Sở Công Thương",
    "Sở NNMT": "Sở Nông nghiệp và Môi trường", "Sở VHTTDL": "Sở Văn hóa, Thể thao và Du lịch", "Thanh tra": "Thanh tra tỉnh",
    "Công an": "Công an tỉnh", "BCH QS": "Bộ Chỉ huy Quân sự tỉnh", "TAND": "Tòa án nhân dân tỉnh",
    "VKSND": "Viện kiểm sát nhân dân tỉnh", "MTTQ tỉnh": "Ủy ban MTTQ Việt Nam tỉnh", "Kho bạc KV": "Kho bạc Nhà nước khu vực",
    "Thuế tỉnh": "Thuế tỉnh", "BHXH": "Bảo hiểm xã hội tỉnh", "Báo PTTH": "Báo và Phát thanh, truyền hình tỉnh",
    "BV tỉnh": "Bệnh viện đa khoa tỉnh", "Hòn Lan": "Đặc khu Hòn Lan",
}  # fmt: skip
OF_A_CLUSTER = 26  # communes
POSTS = ("Bí thư Đảng ủy", "Chủ tịch UBND", "Công chức Văn phòng")
OFFICERS = ("Lãnh đạo", "Chánh Văn phòng", "Chuyên viên")
_FAMILIES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ", "Dương")
_MIDDLES = (("Ông", "Văn"), ("Bà", "Thị"), ("Ông", "Đức"), ("Bà", "Ngọc"), ("Ông", "Quang"), ("Bà", "Thanh"), ("Ông", "Minh"))
_GIVEN = ("Anh", "Bình", "Châu", "Dũng", "Giang", "Hà", "Hiền", "Hùng", "Khánh", "Lan", "Long", "Mai", "Nam", "Phúc", "Quỳnh",
          "Sơn", "Tâm", "Thảo", "Tiến", "Trang", "Tuấn", "Vinh", "Yến")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Room:
    name: str
    short: str
    cluster: str
    phone: str


@dataclass(frozen=True, slots=True)
class Delegate:
    """`room`: the name of the bridge, empty in the hall. The committee votes, all others take part."""

    username: str
    honorific: str
    name: str
    post: str
    room: str
    votes: bool


def rooms() -> list[Room]:
    """All 154 in the order of the technician's board."""
    named = [(name, short, "Hội trường và sở, ngành") for short, name in OFFICES.items()]
    clusters = list(dict.fromkeys(commune.cluster for commune in communes()))
    for number, cluster in enumerate(clusters, 1):
        of_it = islice((one for one in communes() if one.cluster == cluster and one.name not in OFFICES), OF_A_CLUSTER)
        named += [(f"{one.kind.capitalize()} {one.name}", one.name, f"Cụm {number} · {cluster}") for one in of_it]
    return [Room(name, short, cluster, f"0912345{place:03}") for place, (name, short, cluster) in enumerate(named, 1)]


def delegates() -> list[Delegate]:
    """The committee, and three at every bridge at least: first those of its unit who have accounts."""
    units = {unit.code: unit.name for unit in UNITS}
    committee = {person.username for person, _ in members(COMMITTEE)}
    in_hall, names = {chair(COMMITTEE).username, SECRETARY}, {room.name for room in rooms()}
    found: list[Delegate] = []
    for one in PEOPLE:
        room = units[one.unit] if units[one.unit] in names and one.username not in in_hall else ""
        spare = room and sum(known.room == room for known in found) < SEATS
        if spare or one.username in committee | in_hall:
            found.append(Delegate(one.username, one.honorific, one.name, one.post, room, one.username in committee))
    taken, chance = {person.username for person in PEOPLE}, _names()
    for place in rooms():
        short = SEATS - sum(one.room == place.name for one in found)
        for post in (OFFICERS if place.short in OFFICES else POSTS)[: max(0, short)]:
            honorific, name = next(chance)
            user = username(name, taken)
            taken.add(user)
            where = place.name if place.short in OFFICES else place.name[0].lower() + place.name[1:]
            found.append(Delegate(user, honorific, name, f"{post} {where}", place.name, votes=False))
    return found


def lead_of(room: Room, everybody: list[Delegate]) -> str:
    """User name of who is in charge: the first on the list, who has an account where anybody there has one."""
    return next(one.username for one in everybody if one.room == room.name)


def _names() -> Iterator[tuple[str, str]]:
    """Honorifics and names without end, no two alike among the first two thousand."""
    for place in count():
        honorific, middle = _MIDDLES[place % len(_MIDDLES)]
        yield honorific, f"{_FAMILIES[place % len(_FAMILIES)]} {middle} {_GIVEN[place % len(_GIVEN)]}"
