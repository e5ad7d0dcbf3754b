"""The sample meeting: kỳ họp thứ 4 of the province's council, its agenda and the votes that are planned.

It opens at 08:00, Vietnam time, on the day of `now`; years in titles follow from that day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from deploy.demo.province import COUNCIL

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
TITLE = "Kỳ họp thứ 4, HĐND tỉnh khóa XI"
PLACE = "Hội trường tỉnh và 154 điểm cầu xã, phường, đặc khu"

# Of all members of the body, never of those present (law on local government, 2015, article 91).
Majority = Literal["more_than_half", "two_thirds"]


@dataclass(frozen=True, slots=True)
class PlannedPoll:
    question: str
    majority: Majority = "more_than_half"
    secret: bool = False
    candidates: tuple[str, ...] = ()  # user names, in an election: each is voted on by itself


@dataclass(frozen=True, slots=True)
class PlannedItem:
    key: str  # `3`, `3.4`: its place in the agenda
    title: str
    presenter: str
    minutes: int  # of an item with sub-items: their sum
    polls: tuple[PlannedPoll, ...] = ()
    items: tuple["PlannedItem", ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedMeeting:
    title: str
    body: str  # code
    place: str
    starts_at: datetime
    items: tuple[PlannedItem, ...]

    @property
    def minutes(self) -> int:
        return sum(item.minutes for item in self.items)

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    def walk(self) -> Iterator[PlannedItem]:
        """Every item, each before its sub-items."""
        for item in self.items:
            yield item
            yield from item.items


CANDIDATES = ("nhungtth", "hoact")  # user names
UBND, KTNS, VHXH, COUNCIL_ALL = "UBND tỉnh", "Ban Kinh tế – Ngân sách", "Ban Văn hóa – Xã hội", "Đại biểu HĐND tỉnh"
STANDING = "Thường trực HĐND tỉnh"


def _item(key: str, title: str, presenter: str, *parts: tuple[str, str, int, tuple[PlannedPoll, ...]]) -> PlannedItem:
    items = tuple(
        PlannedItem(f"{key}.{place}", part, who, minutes, polls) for place, (part, who, minutes, polls) in enumerate(parts, 1)
    )
    return PlannedItem(key, title, presenter, sum(item.minutes for item in items), (), items)


def _resolution(about: str) -> tuple[PlannedPoll, ...]:
    return (PlannedPoll(f"Thông qua Nghị quyết {about}"),)


def sample_meeting(now: datetime) -> PlannedMeeting:
    """The meeting as planned for the day of `now`."""
    day = now.astimezone(VIETNAM).date()
    return PlannedMeeting(TITLE, COUNCIL, PLACE, datetime(day.year, day.month, day.day, 8, tzinfo=VIETNAM), _agenda(day))


def _agenda(day: date) -> tuple[PlannedItem, ...]:
    year, following = day.year, day.year + 1
    return (
        _item(
            "1",
            "Khai mạc, thông qua chương trình",
            STANDING,
            ("Chào cờ, khai mạc kỳ họp", "Chủ tịch HĐND tỉnh", 5, ()),
            ("Thông qua chương trình kỳ họp", "Chủ tọa kỳ họp", 5, (PlannedPoll("Thông qua chương trình kỳ họp thứ 4"),)),
        ),
        _item(
            "2",
            f"Kinh tế – xã hội năm {year} và nhiệm vụ năm {following}",
            UBND,
            ("UBND tỉnh trình bày báo cáo", UBND, 10, ()),
            ("Thảo luận", COUNCIL_ALL, 15, ()),
            (
                "Biểu quyết dự thảo nghị quyết",
                "Chủ tọa kỳ họp",
                5,
                _resolution(f"về nhiệm vụ phát triển kinh tế – xã hội năm {following}"),
            ),
        ),
        _item(
            "3",
            f"Dự toán thu, chi ngân sách và phân bổ ngân sách cấp tỉnh năm {following}",
            "Sở Tài chính",
            ("UBND tỉnh trình bày tờ trình", UBND, 10, ()),
            ("Ban Kinh tế – Ngân sách thẩm tra", KTNS, 10, ()),
            ("Thảo luận", COUNCIL_ALL, 35, ()),
            (
                "Biểu quyết dự thảo nghị quyết",
                "Chủ tọa kỳ họp",
                5,
                _resolution(f"về dự toán thu, chi ngân sách nhà nước và phân bổ ngân sách cấp tỉnh năm {following}"),
            ),
        ),
        _item(
            "4",
            "Đầu tư công trung hạn 2026–2030",
            "Sở Tài chính",
            ("UBND tỉnh trình bày tờ trình", UBND, 10, ()),
            ("Thảo luận", COUNCIL_ALL, 20, ()),
            (
                "Biểu quyết dự thảo nghị quyết",
                "Chủ tọa kỳ họp",
                5,
                _resolution("về kế hoạch đầu tư công trung hạn giai đoạn 2026–2030"),
            ),
        ),
        _item(
            "5",
            f"Mức thu học phí năm học {following}–{following + 1}",
            "Sở Giáo dục và Đào tạo",
            ("UBND tỉnh trình bày tờ trình", UBND, 5, ()),
            ("Thảo luận", VHXH, 10, ()),
            (
                "Biểu quyết dự thảo nghị quyết",
                "Chủ tọa kỳ họp",
                5,
                _resolution(f"quy định mức thu học phí năm học {following}–{following + 1}"),
            ),
        ),
        _item(
            "6",
            "Chất vấn và trả lời chất vấn",
            "Chủ tọa kỳ họp",
            ("Chất vấn Giám đốc Sở Xây dựng", "Sở Xây dựng", 15, ()),
            ("Chất vấn Giám đốc Sở Nông nghiệp và Môi trường", "Sở Nông nghiệp và Môi trường", 15, ()),
        ),
        _item(
            "7",
            "Công tác nhân sự và bế mạc",
            STANDING,
            ("Bầu Ban kiểm phiếu", "Chủ tọa kỳ họp", 5, (PlannedPoll("Thông qua danh sách Ban kiểm phiếu gồm 3 người"),)),
            (
                "Bầu bổ sung Ủy viên UBND tỉnh (bỏ phiếu kín)",
                "Chủ tịch UBND tỉnh",
                10,
                (PlannedPoll("Bầu bổ sung Ủy viên UBND tỉnh nhiệm kỳ 2026–2031", secret=True, candidates=CANDIDATES),),
            ),
            ("Xác nhận kết quả bầu", "Trưởng Ban kiểm phiếu", 5, _resolution("xác nhận kết quả bầu bổ sung Ủy viên UBND tỉnh")),
            ("Bế mạc kỳ họp", "Chủ tịch HĐND tỉnh", 5, ()),
        ),
    )


def days_before(day: date, days: int) -> date:
    """The working day `days` before `day`, or the nearest before it: no office dates a paper on a weekend."""
    found = day - timedelta(days=days)
    return found - timedelta(days=max(0, found.weekday() - 4))
