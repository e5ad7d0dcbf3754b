"""The figures behind the sample papers: two drafts of a provincial budget, and its annex for 154 communes.

Everything adds up by construction or by `Draft.check`; nothing depends on the clock. Amounts of a draft are
in tỷ đồng (10⁹), amounts of the annex in triệu đồng (10⁶).
"""

import csv
from dataclasses import dataclass
from importlib.resources import files
from random import Random

FIELDS = (
    "Giáo dục và đào tạo",
    "Giao thông",
    "Thủy lợi, nước sạch",
    "Y tế",
    "Văn hóa, thể thao",
    "Chuyển đổi số",
)

# {c}: the commune; {p}: a hamlet, or a block in a ward. Each with its least and greatest amount for one year.
_WORKS: tuple[tuple[int, str, int, int], ...] = (
    (0, "Xây mới 08 phòng học Trường Tiểu học {c}", 3200, 6400),
    (0, "Nâng cấp khối phòng bộ môn Trường THCS {c}", 1800, 4200),
    (0, "Nhà ăn, nhà nghỉ bán trú Trường Mầm non {c}", 1200, 2800),
    (0, "Sửa chữa Trường Mầm non {c}, điểm {p}", 600, 1500),
    (1, "Bê tông hóa đường giao thông {p}", 900, 3200),
    (1, "Nâng cấp tuyến đường trung tâm đi {p}", 2400, 7800),
    (1, "Cầu dân sinh {p}", 1600, 4600),
    (2, "Kiên cố hóa kênh mương nội đồng {p}", 700, 2600),
    (2, "Công trình cấp nước sinh hoạt tập trung {p}", 1500, 4800),
    (3, "Cải tạo, nâng cấp Trạm Y tế {c}", 900, 2400),
    (3, "Thiết bị khám, chữa bệnh Trạm Y tế {c}", 450, 1300),
    (4, "Nhà văn hóa – khu thể thao {p}", 650, 1900),
    (4, "Cải tạo Trung tâm Văn hóa – Thể thao {c}", 800, 2300),
    (5, "Trang thiết bị Trung tâm Phục vụ hành chính công {c}", 400, 1200),
    (5, "Thiết bị điểm cầu họp trực tuyến {c}", 250, 600),
    (5, "Hệ thống truyền thanh thông minh {c}", 300, 850),
)
_PLACES = (
    "Đoàn Kết",
    "Thống Nhất",
    "Quyết Tiến",
    "Tân Sơn",
    "Hợp Thành",
    "Suối Mơ",
    "Đồi Chè",
    "Bằng Lăng",
    "Liên Kết",
    "Phú Xuân",
)


@dataclass(frozen=True, slots=True)
class Commune:
    cluster: str
    kind: str  # xã, phường, đặc khu
    name: str

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Project:
    name: str
    field: int  # place in FIELDS
    years: str
    total: int  # the whole investment
    before: int  # allotted up to the end of the present year
    amount: int  # allotted for the coming year


@dataclass(frozen=True, slots=True)
class Allotment:
    """What one commune gets, and the budget it balances with it."""

    commune: Commune
    projects: tuple[Project, ...]
    own_revenue: int
    balancing: int  # supplement for balance
    reserve: int

    @property
    def by_field(self) -> list[int]:
        return [sum(one.amount for one in self.projects if one.field == field) for field in range(len(FIELDS))]

    @property
    def targeted(self) -> int:
        return sum(one.amount for one in self.projects)

    @property
    def revenue(self) -> int:
        return self.own_revenue + self.balancing + self.targeted

    @property
    def regular(self) -> int:
        return self.revenue - self.targeted - self.reserve


@dataclass(frozen=True, slots=True)
class Draft:
    """One version of the budget. `domestic`, `spending` and `regular` are (name, amount) in the law's order."""

    domestic: tuple[tuple[str, int], ...]
    customs: int
    investment: tuple[tuple[str, int], ...]
    regular: tuple[tuple[str, int], ...]
    reserve: int
    own_share: int  # what the local budget keeps of the revenue
    from_centre: int

    @property
    def domestic_total(self) -> int:
        return sum(amount for _, amount in self.domestic)

    @property
    def revenue(self) -> int:
        return self.domestic_total + self.customs

    @property
    def investment_total(self) -> int:
        return sum(amount for _, amount in self.investment)

    @property
    def regular_total(self) -> int:
        return sum(amount for _, amount in self.regular)

    @property
    def spending(self) -> int:
        return self.investment_total + self.regular_total + self.reserve

    @property
    def education(self) -> int:
        return self.regular[0][1]


def draft(version: int) -> Draft:
    """Version 1 is what the committee proposes; version 2 takes up what the verification asked for."""
    second = version > 1
    return Draft(
        domestic=(
            ("Thu từ khu vực doanh nghiệp nhà nước", 2510),
            ("Thu từ khu vực doanh nghiệp có vốn đầu tư nước ngoài", 2285),
            ("Thu từ khu vực kinh tế ngoài quốc doanh", 6040 if second else 5960),
            ("Thuế thu nhập cá nhân", 3420),
            ("Thuế bảo vệ môi trường", 1450),
            ("Lệ phí trước bạ", 1160),
            ("Thu tiền sử dụng đất", 6000 if second else 5880),
            ("Thu tiền cho thuê đất, thuê mặt nước", 1035),
            ("Thu từ hoạt động xổ số kiến thiết", 2150),
            ("Thu phí, lệ phí và thu khác", 1350),
        ),
        customs=4450 if second else 4400,
        investment=(
            ("Chi đầu tư xây dựng cơ bản vốn trong nước", 1570),
            ("Chi đầu tư từ nguồn thu tiền sử dụng đất", 6000 if second else 5880),
            ("Chi đầu tư từ nguồn thu xổ số kiến thiết", 2150),
        ),
        regular=(
            ("Chi giáo dục, đào tạo và dạy nghề", 7108 if second else 7085),
            ("Chi khoa học, công nghệ và chuyển đổi số", 486),
            ("Chi y tế, dân số và gia đình", 1915),
            ("Chi bảo đảm xã hội", 1342 if second else 1330),
            ("Chi hoạt động của cơ quan quản lý nhà nước, Đảng, đoàn thể", 3180),
            ("Chi các hoạt động kinh tế", 2045 if second else 2028),
            ("Chi quốc phòng, an ninh", 742),
            ("Chi văn hóa, thể thao, phát thanh, truyền hình", 418),
            ("Chi bảo vệ môi trường", 395),
            ("Chi thường xuyên khác", 333),
        ),
        reserve=612 if second else 610,
        own_share=21846 if second else 21672,
        from_centre=6450,
    )


def communes() -> list[Commune]:
    """All 154, in the order of their clusters."""
    with (files("deploy.demo") / "data" / "communes.csv").open(encoding="utf-8") as rows:
        return [Commune(**row) for row in csv.DictReader(rows)]


def allotments(year: int) -> list[Allotment]:
    """The annex of the budget for `year`: the same on every machine."""
    chance = Random(154)  # noqa: S311
    return [_allot(commune, year, chance) for commune in communes()]


def _allot(commune: Commune, year: int, chance: Random) -> Allotment:
    works = sorted(chance.sample(range(len(_WORKS)), chance.choice((6, 6, 7, 7))))
    projects = tuple(_project(commune, works_index, year, chance) for works_index in works)
    own = _round(chance.randint(9_000, 32_000) * (2 if commune.kind == "phường" else 1))
    balancing = _round(chance.randint(40_000, 70_000))
    return Allotment(commune, projects, own, balancing, reserve=_round((own + balancing) // 50))


def _project(commune: Commune, work: int, year: int, chance: Random) -> Project:
    field, name, least, most = _WORKS[work]
    place = f"{'tổ dân phố' if commune.kind == 'phường' else 'thôn'} {chance.choice(_PLACES)}"
    amount = _round(chance.randint(least, most))
    first = year - chance.randint(0, 1)
    before = _round(amount * chance.randint(40, 90) // 100) if first < year else 0
    after = _round(amount * chance.randint(30, 80) // 100) if most > 2500 else 0
    years = f"{first}–{year + 1}" if after else f"{first}–{year}" if first < year else str(year)
    return Project(name.format(c=commune.name, p=place), field, years, before + amount + after, before, amount)


def _round(amount: int) -> int:
    return amount // 50 * 50
