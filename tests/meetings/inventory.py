"""Every route of the application, who may call it, and a request that it takes. A new route needs its line here."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from meetings.bodies.sheet import empty_form
from meetings.bridges.sheet import empty_form as empty_bridges
from tests.meetings.scene import NOTE, PLAN, key, upload

CHAIR, SECRETARY, MEMBER, TELLER, GUEST = "chair", "secretary", "m3", "teller", "guest"
ADMINISTRATOR, STRANGER, ELSEWHERE, NOBODY = "administrator", "x-chair", "x-secretary", ""  # those with x-: of another body
ROLES = (CHAIR, SECRETARY, MEMBER, TELLER, GUEST, ADMINISTRATOR, STRANGER, ELSEWHERE, NOBODY)

SEATED = {CHAIR, SECRETARY, MEMBER, TELLER, GUEST}
DELEGATED = SEATED - {GUEST}
VOTING = DELEGATED - {TELLER}
CONDUCTING = {CHAIR, SECRETARY}
PREPARING = {SECRETARY}
MANAGING = {SECRETARY, ADMINISTRATOR}
LEADING = {SECRETARY, MEMBER}  # m3 is in charge of the bridge
SIGNED_IN = set(ROLES) - {NOBODY}


@dataclass(frozen=True)
class Row:
    """`path` below the meeting unless it begins with a slash; `refused` where a role gets another status than usual.

    Usual is: who is not signed in gets 401, who has no seat gets 404 (the meeting's existence is not theirs to know), and who
    has a seat but not the right gets 403.
    """

    method: str
    path: str
    allowed: set[str]
    json: dict[str, Any] | None = None
    form: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def full_path(self) -> str:
        if self.path.startswith("/"):
            return self.path
        return f"/api/meetings/{{meeting_id}}/{self.path}".rstrip("/")

    def status(self, role: str) -> int:
        """With which it is refused to who is not allowed."""
        usual = {NOBODY: 401, STRANGER: 404, ELSEWHERE: 404, ADMINISTRATOR: 404}
        return self.refused.get(role, usual.get(role, 403))

    def request(self, ids: dict[str, str], **others: str) -> dict[str, Any]:
        """Arguments of a request that is in order."""
        known = ids | {"note_id": str(uuid4())} | others
        arguments: dict[str, Any] = {"method": self.method, "path": self.full_path.format(**known)}
        if self.json is not None:
            arguments["json"] = {
                name: value.format(**known) if isinstance(value, str) else value for name, value in self.json.items()
            }
        if self.path.endswith("ballots") and self.method == "POST":
            arguments |= key()
        return arguments | self.form


XLSX = {"files": {"file": ("thanh-vien.xlsx", empty_form(), "application/octet-stream")}}
BRIDGES_XLSX = {"files": {"file": ("diem-cau.xlsx", empty_bridges(), "application/octet-stream")}}
ITEM = {"title": "Thảo luận", "presenter": "", "minutes": 5}
ONLY_FOR_ADMINISTRATORS = dict.fromkeys(ROLES[:-1], 403)

BODIES = [
    Row("GET", "/api/me", SIGNED_IN),
    Row("GET", "/api/bodies", SIGNED_IN),
    Row("POST", "/api/bodies", {ADMINISTRATOR}, {"name": "HĐND xã", "kind": "other"}, refused=ONLY_FOR_ADMINISTRATORS),
    Row("GET", "/api/bodies/{body_id}/members", MANAGING),
    Row("GET", "/api/bodies/{body_id}/members.xlsx", MANAGING),
    Row("POST", "/api/bodies/{body_id}/members/preview", MANAGING, form=XLSX),
    Row("POST", "/api/bodies/{body_id}/members/import", MANAGING, form=XLSX),
    Row("GET", "/api/bodies/{body_id}/bridges", MANAGING),
    Row("GET", "/api/bodies/{body_id}/bridges.xlsx", MANAGING),
    Row("POST", "/api/bodies/{body_id}/bridges", MANAGING, {"name": "Xã Đạ Hòa", "phone": "0263 3888 154"}),
    Row("PUT", "/api/bodies/{body_id}/bridges/{spare_bridge_id}", MANAGING, {"name": "Phường Lộc An"}),
    Row("PUT", "/api/bodies/{body_id}/lost-bridge", MANAGING, {"lost_bridge": "counts"}),
    Row("POST", "/api/bodies/{body_id}/bridges/preview", MANAGING, form=BRIDGES_XLSX),
    Row("POST", "/api/bodies/{body_id}/bridges/import", MANAGING, form=BRIDGES_XLSX),
]
BRIDGES = [
    Row("GET", "bridges/{bridge_id}", LEADING | {CHAIR}),
    Row("PUT", "bridges/{bridge_id}/attendance/{member_id}", LEADING, {"state": "present", "reason": ""}),
    Row("POST", "bridges/{bridge_id}/roll", LEADING),
    Row("POST", "bridges/{bridge_id}/notes", CONDUCTING, {"text": "Mất điện"}),
    Row("GET", "bridges/{bridge_id}/door.svg", LEADING),
]
AGENDA = [
    Row("GET", "/api/meetings", SIGNED_IN),
    Row("POST", "/api/meetings", PREPARING, PLAN | {"body_id": "{body_id}"}),
    Row("GET", "", SEATED),
    Row("PATCH", "", PREPARING, {"title": "Kỳ họp"}),
    Row("GET", "seat", SEATED),
    Row("POST", "ticket", SEATED),
    Row("POST", "items", PREPARING, ITEM | {"parent_id": None}),
    Row("PUT", "items/{item_id}", PREPARING, ITEM),
    Row("POST", "items/{other_item_id}/move", PREPARING, {"parent_id": None, "position": 0}),
    Row("DELETE", "items/{spare_item_id}", PREPARING),
    Row("POST", "enter", CONDUCTING, {"item_id": "{item_id}"}),
    Row("POST", "publish", PREPARING),
    Row("GET", "rehearsals", PREPARING),
    Row("POST", "rehearsals", PREPARING, {"delegates": 60}),  # refused while the house sits, to who may ask
    Row("POST", "open", CONDUCTING),
]
PEOPLE = [
    Row("GET", "invitations", CONDUCTING),
    Row("GET", "invitations/mine", SEATED),
    Row("PUT", "invitations/mine", SEATED, {"reply": "declined", "reason": "đi công tác"}),
    Row("POST", "check-in", DELEGATED, {"door_code": None}),
    Row("PUT", "attendance/{member_id}", PREPARING, {"state": "excused", "reason": "ốm"}),
    Row("GET", "door.svg", PREPARING),
    Row("POST", "speeches", DELEGATED, {"kind": "debate", "allotted": 300}),
    Row("POST", "speeches/{speech_id}/withdraw", CONDUCTING | {MEMBER}, refused={TELLER: 404}),
    Row("POST", "speeches/{speech_id}/move", CONDUCTING, {"place": 0}),
    *[Row("POST", f"speeches/{{floor_id}}/{verb}", CONDUCTING) for verb in ("give", "pause", "resume", "end")],
    Row("POST", "speeches/{floor_id}/extend", CONDUCTING, {"seconds": 60}),
]
PAPERS = [
    Row("POST", "items/{item_id}/papers", PREPARING, form=upload(name="them.pdf")),
    Row("POST", "papers/{spare_paper_id}/versions", PREPARING, form=upload()),
    Row("GET", "papers/desk", CONDUCTING),
    Row("PATCH", "papers/{spare_paper_id}", PREPARING, {"title": "Tờ trình", "audience": "delegates"}),
    Row("POST", "papers/{spare_paper_id}/withdraw", PREPARING),
    Row("GET", "papers/{paper_id}/file", SEATED),
    Row("HEAD", "papers/{paper_id}/file", SEATED),
    Row("GET", "papers/{paper_id}/text", SEATED, form={"params": {"q": "du toan"}}),
    Row("POST", "papers/{paper_id}/opened", DELEGATED, {"version": 1}),
    Row("GET", "papers/{paper_id}/readers", PREPARING),
    Row("POST", "lead", CONDUCTING, {"paper_id": "{paper_id}", "page": 1}),
    Row("GET", "papers/{paper_id}/notes", DELEGATED),
    Row("PUT", "papers/{paper_id}/notes/{note_id}", DELEGATED, NOTE),
    Row("GET", "notes", DELEGATED),
    Row("GET", "papers/{paper_id}/copy", DELEGATED),
]
VOTES = [
    Row("POST", "polls", PREPARING, {"item_id": "{item_id}", "title": "Thông qua", "majority": None, "duration": 60}),
    Row("POST", "polls/{prepared_poll_id}/open", CONDUCTING),
    Row("POST", "polls/{poll_id}/ballots", VOTING, {"choice": "against", "replaces": None}),
    Row("GET", "polls/{poll_id}/ballots/mine", VOTING),
    Row("POST", "polls/{poll_id}/extend", CONDUCTING, {"seconds": 60}),
    Row("POST", "polls/{poll_id}/close", CONDUCTING),
    Row("POST", "polls/{closed_poll_id}/declare", CONDUCTING),
    Row("GET", "polls/{declared_poll_id}/ballots", DELEGATED),
]
OVER = [  # asked of a meeting that is over
    Row("POST", "adjourn", CONDUCTING),
    Row("POST", "close", CONDUCTING),
    Row("GET", "minutes", DELEGATED),
    Row("PUT", "minutes", PREPARING, {"revision": 1, "texts": {"content": "Thảo luận"}}),
    Row("POST", "minutes/freeze", PREPARING),
    Row("GET", "minutes.pdf", DELEGATED),
    Row("HEAD", "minutes.pdf", DELEGATED),
    Row("GET", "minutes/evidence.json", DELEGATED),
    Row("POST", "minutes/sign", CONDUCTING),
    Row("POST", "minutes/return", CONDUCTING, {"reason": "Sai số phiếu"}),
]
ROWS = [*BODIES, *AGENDA, *PEOPLE, *BRIDGES, *PAPERS, *VOTES]


@dataclass(frozen=True)
class Message:
    """What may be said on a socket, who gets `answer` to it, and with which code it is refused to who comes in all the same.

    Nobody else comes in: a ticket is for one's own meeting.
    """

    type: str
    allowed: set[str]
    json: dict[str, Any]
    answer: str
    refused: dict[str, str] = field(default_factory=dict)


CAST = {"poll_id": "{poll_id}", "choice": "against", "key": "{key}", "replaces": None}
NOT_THEIRS = {TELLER: "not-eligible", GUEST: "not-eligible", STRANGER: "not-found", ELSEWHERE: "not-found"}
MESSAGES = {  # by the socket on which they are said
    "/api/live": [
        Message("hello", SEATED, {"epoch": None, "since": None}, "snapshot"),
        Message("vote.cast", VOTING, CAST, "vote.receipt", NOT_THEIRS),
    ],
    "/api/live/relay": [  # by the relay of a room, which is no person; what tablets say through it is of the other socket
        Message(kind, set(), {}, "") for kind in ("enter", "said", "left", "silent", "token")
    ],
}
FRAMES = {  # and who may hear what the server says
    **dict.fromkeys(("snapshot", "events", "turnout", "heartbeat", "vote.refused"), SEATED),
    **dict.fromkeys(("presence", "bridges"), CONDUCTING),
    "vote.receipt": VOTING,
}
TO_ALL, TO_THE_DESK, TO_READERS = "all", "desk", "those who may read the paper"
EVENTS = {  # to whom each event of the log is told, once the meeting is published
    **dict.fromkeys(("meeting.published", "meeting.changed", "meeting.opened", "meeting.adjourned", "meeting.closed"), TO_ALL),
    **dict.fromkeys(("item.entered", "agenda.changed", "members.changed", "page.led"), TO_ALL),
    **dict.fromkeys(("paper.published", "paper.withdrawn", "note.shared"), TO_READERS),
    **dict.fromkeys(("member.checked_in", "member.marked", "bridges.changed"), TO_ALL),
    **dict.fromkeys(("bridge.joined", "bridge.lost", "bridge.returned", "bridge.rolled"), TO_ALL),
    "bridge.noted": TO_THE_DESK,
    **dict.fromkeys(("speech.requested", "speech.withdrawn", "speech.moved", "speech.ended"), TO_ALL),
    **dict.fromkeys(("floor.given", "floor.paused", "floor.resumed", "floor.extended"), TO_ALL),
    **dict.fromkeys(("poll.prepared", "poll.opened", "poll.extended", "poll.closed", "outcome.declared"), TO_ALL),
    "poll.counted": TO_THE_DESK,
    **dict.fromkeys(("minutes.drafted", "minutes.frozen", "minutes.signed", "minutes.proved", "minutes.returned"), TO_ALL),
}

# Open to strangers, and what a bare request gets there; None: the web app's one page, which is made by its build.
PUBLIC: dict[tuple[str, str], int | None] = {
    ("GET", "/api/config"): 200,
    ("GET", "/api/openapi.json"): 200,
    ("POST", "/api/backchannel-logout"): 422,
    ("GET", "/healthz"): 200,
    ("GET", "/readyz"): 200,
    ("GET", "/metrics"): 404,  # for the same machine only
    ("GET", "/verify"): 200,
    ("POST", "/verify"): 422,
    ("GET", "/verify.css"): 200,
    ("GET", "/assets/{path:path}"): 404,
    ("WS", "/api/live"): None,  # its ticket is its key: tests/meetings/test_socket.py
    ("WS", "/api/live/relay"): None,  # a token of its own client: tests/meetings/test_relay_line.py
    **dict.fromkeys(
        (
            ("GET", path)
            for path in (
                "/",
                "/sw.js",
                "/m/{path:path}",
                "/wall",
                "/wall/{meeting_id}",
                "/wall/{meeting_id}/bridges",
                "/check-in/{meeting_id}",
                "/new",
                "/bodies",
                "/bodies/{path:path}",
                "/signed-in",
                "/signed-out",
            )
        ),
        None,
    ),
}
