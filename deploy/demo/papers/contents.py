"""What is written in the papers: dates, names and figures, as plain values for the templates."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from deploy.demo import budget
from deploy.demo.meeting import CANDIDATES, VIETNAM, days_before, sample_meeting
from deploy.demo.province import BY_USERNAME, COMMITTEE, COUNCIL, PEOPLE, Person, chair

Data = dict[str, Any]
SHORT_FIELDS = ("Giáo dục", "Giao thông", "Nước", "Y tế", "Văn hóa", "Chuyển đổi số")
DAYS_BEFORE = {"proposal": 19, "review": 9, "verification": 7, "agenda": 8, "report": 14}


def facts(now: datetime, version: int) -> Data:
    """What every paper may name: dates as `2026-12-09`, people, the agenda, draft `version` of the budget and its sums."""
    day = now.astimezone(VIETNAM).date()
    dates = {name: days_before(day, days) for name, days in DAYS_BEFORE.items()} | {"opens": day}
    return {
        "version": version,
        "year": str(day.year),
        "following": str(day.year + 1),
        "month": f"{day.month:02}" if day.month < 3 else str(day.month),
        "dates": {name: when.isoformat() for name, when in dates.items()},
        "days_ahead": (day - dates["proposal"]).days,
        "chair": chair(COUNCIL).name,
        "committee_chair": chair(COMMITTEE).name,
        "budget_chair": _holder("Trưởng Ban Kinh tế – Ngân sách HĐND tỉnh"),
        "roads_director": _holder("Giám đốc Sở Xây dựng"),
        "candidates": [
            {"name": f"{one.honorific} {one.name}", "post": one.post} for one in (BY_USERNAME[user] for user in CANDIDATES)
        ],
        "items": _agenda(now),
        "first": _draft(1),
        "budget": _draft(version),
        "revised": _draft(2),
        **_totals(day.year + 1),
    }


def _holder(post: str) -> str:
    return next(person.name for person in PEOPLE if person.post == post)


def _candidate(person: Person) -> Data:
    return {"name": f"{person.honorific} {person.name}", "post": person.post}


def _agenda(now: datetime) -> list[Data]:
    meeting = sample_meeting(now)
    start, items = meeting.starts_at, []
    for item in meeting.items:
        end = start + timedelta(minutes=item.minutes)
        items.append(asdict(item) | {"span": f"{start:%H:%M}–{end:%H:%M}"})
        start = end
    return items


def _draft(version: int) -> Data:
    draft = budget.draft(version)
    sums = ("domestic_total", "revenue", "investment_total", "regular_total", "spending", "education")
    return asdict(draft) | {name: getattr(draft, name) for name in sums}


def _totals(year: int) -> Data:
    whole = annex(year)
    clusters = [{key: cluster[key] for key in ("name", "by_field", "total")} for cluster in whole["clusters"]]
    units = [unit for cluster in whole["clusters"] for unit in cluster["units"]]
    return {
        "targeted": whole["total"] / 1000,
        "projects": sum(len(unit["projects"]) for unit in units),
        "clusters": clusters,
        "fields": whole["fields"],
        "by_field": whole["by_field"],
        "total": whole["total"],
    }


@cache
def annex(year: int) -> Data:
    """The budget's annex for `year`, with the sums of its clusters and of the whole, in triệu đồng."""
    units = [_unit(number, one) for number, one in enumerate(budget.allotments(year), 1)]
    names = list(dict.fromkeys(unit["cluster"] for unit in units))
    clusters = [_summed(name, [unit for unit in units if unit["cluster"] == name]) for name in names]
    return {
        "clusters": clusters,
        "fields": budget.FIELDS,
        "short_fields": SHORT_FIELDS,
        "total": _sum(units, lambda unit: unit["targeted"]),
        "by_field": _columns(units, "by_field"),
        "balance": _columns(units, "balance"),
        "sum_total": _sum(units, lambda unit: unit["sum_total"]),
        "sum_before": _sum(units, lambda unit: unit["sum_before"]),
    }


def _unit(number: int, one: budget.Allotment) -> Data:
    return {
        "number": number,
        "name": one.commune.title[0].upper() + one.commune.title[1:],
        "cluster": one.commune.cluster,
        "targeted": one.targeted,
        "by_field": one.by_field,
        "projects": [asdict(project) for project in one.projects],
        "sum_total": sum(project.total for project in one.projects),
        "sum_before": sum(project.before for project in one.projects),
        "balance": [
            one.revenue,
            one.own_revenue,
            one.balancing,
            one.targeted,
            one.regular + one.reserve + one.targeted,
            one.regular,
            one.reserve,
            one.targeted,
        ],
    }


def _summed(name: str, units: list[Data]) -> Data:
    return {
        "name": name,
        "units": units,
        "total": _sum(units, lambda unit: unit["targeted"]),
        "by_field": _columns(units, "by_field"),
        "balance": _columns(units, "balance"),
    }


def _sum(units: list[Data], figure: Callable[[Data], int]) -> int:
    return sum(figure(unit) for unit in units)


def _columns(units: list[Data], name: str) -> list[int]:
    return [sum(column) for column in zip(*(unit[name] for unit in units), strict=True)]
