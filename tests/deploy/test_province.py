import re

from python_calamine import CalamineWorkbook

from deploy.demo import budget, province, spreadsheet
from deploy.demo.meeting import days_before, sample_meeting
from deploy.demo.province import COMMITTEE, COUNCIL, MEMBERSHIPS, PEOPLE, UNITS, members, username
from shared import clock
from shared.words import nfc

DAY = clock.now()


def test_the_province_has_twenty_units_on_two_levels():
    codes = [unit.code for unit in UNITS]
    root = [unit for unit in UNITS if unit.parent is None]
    assert len(set(codes)) == len(codes) == 20
    assert [unit.kind for unit in root] == ["province"]
    assert {unit.parent for unit in UNITS} == {None, root[0].code}


def test_the_council_has_sixty_who_vote_and_three_tellers_who_do_not():
    roles = [(membership.role, membership.votes) for _, membership in members(COUNCIL)]
    assert len(roles) == 63
    assert roles.count(("chair", True)) == roles.count(("secretary", True)) == 1
    assert roles.count(("member", True)) == 58
    assert roles.count(("teller", False)) == 3


def test_every_voting_member_of_the_council_has_a_seat_of_their_own_and_a_group_of_six():
    seated = [membership for _, membership in members(COUNCIL) if membership.votes]
    groups = [membership.group for membership in seated]
    assert {membership.seat for membership in seated} == {f"{row}{place:02}" for row in "ABCD" for place in range(1, 16)}
    assert {groups.count(group) for group in groups} == {6}


def test_the_committee_has_one_chair_and_most_of_it_sits_in_the_council():
    committee = {person.username for person, _ in members(COMMITTEE)}
    council = {person.username for person, membership in members(COUNCIL) if membership.votes}
    assert len(committee) == 21
    assert len(committee & council) > len(committee) / 2


def test_the_named_people_are_who_they_are_said_to_be():
    by_name = province.BY_USERNAME
    assert (by_name[province.SECRETARY].name, by_name[province.SECRETARY].honorific) == ("Nguyễn Thị Hồng Hạnh", "Bà")
    assert province.chair(COUNCIL).name == "Bùi Đức Thiện"
    assert province.ADMINISTRATOR in by_name
    assert province.ADMINISTRATOR not in {membership.username for membership in MEMBERSHIPS}


def test_user_names_are_plain_and_unique_and_everything_refers_to_what_exists():
    names = [person.username for person in PEOPLE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]{3,}[0-9]*", name) for name in names)
    assert {person.unit for person in PEOPLE} <= {unit.code for unit in UNITS}
    assert {membership.body for membership in MEMBERSHIPS} == {body.code for body in province.BODIES}
    assert all(person.name == nfc(person.name) and person.honorific in ("Ông", "Bà") for person in PEOPLE)


def test_a_user_name_is_the_given_name_and_initials_with_a_number_where_taken():
    assert username("Nguyễn Thị Hồng Hạnh", []) == "hanhnth"
    assert username("K'Brếp", []) == "kbrep"
    assert username("Đỗ Thị Xuân", ["xuandt", "xuandt2"]) == "xuandt3"


def test_the_meeting_lasts_three_and_a_half_hours_and_its_numbers_are_in_order():
    meeting = sample_meeting(DAY)
    assert [item.key for item in meeting.items] == list("1234567")
    assert meeting.minutes == 210
    for item in meeting.items:
        assert [sub.key for sub in item.items] == [f"{item.key}.{place}" for place in range(1, len(item.items) + 1)]
        assert item.minutes == sum(sub.minutes for sub in item.items)


def test_the_one_secret_poll_elects_people_of_the_province():
    secret = [poll for item in sample_meeting(DAY).walk() for poll in item.polls if poll.secret]
    assert len(secret) == 1
    assert set(secret[0].candidates) <= set(province.BY_USERNAME)


def test_no_paper_is_dated_on_a_weekend():
    day = DAY.date()
    assert all(days_before(day, days).weekday() < 5 for days in range(30))


def test_both_drafts_of_the_budget_balance():
    for version in (1, 2):
        draft = budget.draft(version)
        assert draft.spending == draft.own_share + draft.from_centre
        assert draft.revenue == draft.domestic_total + draft.customs
    assert (budget.draft(2).revenue, budget.draft(2).spending, budget.draft(2).education) == (31850, 28296, 7108)
    assert budget.draft(1) != budget.draft(2)


def test_the_annex_adds_up_for_each_of_the_154_communes():
    allotments = budget.allotments(2027)
    assert len({one.commune.title for one in allotments}) == 154
    for one in allotments:
        assert one.targeted == sum(one.by_field) > 0
        assert one.revenue == one.regular + one.reserve + one.targeted
        assert all(project.total >= project.before + project.amount for project in one.projects)
    assert budget.allotments(2027) == allotments


def test_the_list_of_members_reads_back_as_it_was_written(tmp_path):
    spreadsheet.write_members(tmp_path / "members.xlsx")
    head, *rows = CalamineWorkbook.from_path(tmp_path / "members.xlsx").get_sheet_by_index(0).to_python()
    assert head == [name for name, _ in spreadsheet.COLUMNS]
    assert rows == spreadsheet.member_rows()


def test_the_flawed_list_is_wrong_in_exactly_the_rows_it_names(tmp_path):
    flaws = spreadsheet.write_flawed_members(tmp_path / "flawed.xlsx")
    rows = CalamineWorkbook.from_path(tmp_path / "flawed.xlsx").get_sheet_by_index(0).to_python()
    good = spreadsheet.member_rows()
    assert [number for number, row in enumerate(rows[1:], 2) if row != good[number - 2]] == sorted(flaws)
