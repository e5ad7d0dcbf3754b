"""`dienhong export`: all of a meeting for an auditor, open polls and keys of ballots included."""

import json

from typer.testing import CliRunner

from deploy.cli import app


def export(db, meeting: str):
    url = db.engine.url.render_as_string(hide_password=False)
    return CliRunner().invoke(app, ["export", meeting], env={"DATABASE_URL": url})


def test_an_export_has_the_log_to_its_head_and_each_ballot_with_its_key(house, db):
    house.open()
    poll = house.open_poll()
    receipt = house.cast("m3", poll, "against", key="k" * 20)
    told = json.loads(export(db, house.meeting_id).stdout)
    assert [event["seq"] for event in told["log"]] == list(range(1, told["seq"] + 1))
    assert told["log"][-1]["hash"] == told["hash"]
    [open_poll] = told["polls"]
    [ballot] = open_poll["ballots"]
    assert (open_poll["stage"], ballot["key"], ballot["receipt"]) == ("open", "k" * 20, receipt.receipt)
    assert len(open_poll["electorate"]) == 6


def test_what_is_no_meeting_is_said(house, db):
    answer = export(db, "nothing")
    assert answer.exit_code == 2
    assert "no such meeting" in answer.output
