"""A meeting in full course, made over HTTP as its people make it, and a second one of another body beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import text

from meetings.access import actions as access
from meetings.bodies.models import Member
from meetings.bridges import actions as bridges
from meetings.bridges.sheet import BridgeRow
from shared import clock
from tests.docs_store.papers import one_page
from tests.makers import make_body

if TYPE_CHECKING:
    from tests.meetings.conftest import Web

PDF = one_page(b"BT /F1 12 Tf 72 700 Td (Du toan ngan sach) Tj ET")
PLAN = {"title": "Kỳ họp thứ 4", "place": "Hội trường", "starts_at": "2026-12-09T08:00:00+07:00"}
NOTE = {"version": 1, "page": 0, "kind": "text", "at": [100, 200], "text": "Hỏi lại"}


def upload(content: bytes = PDF, name: str = "to-trinh.pdf") -> dict[str, Any]:
    return {"files": {"file": (name, content, "application/pdf")}}


def key() -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": uuid4().hex}}


class Scene:
    """`ids` has, by the name that stands in a route: the meeting and one of each thing in it.

    The second body has other people (`x-chair`, `x-secretary`, ...), so that whoever is at home here is a stranger there.
    """

    def __init__(self, web: "Web", prefix: str = "") -> None:
        self.web, self.prefix = web, prefix
        with web.client.app.state.db.write() as tx:
            body_id = make_body(tx)
            self.members = {}
            for member in tx.query(Member).filter_by(body_id=body_id):
                self.members[member.username] = member.id
                member.username = prefix + member.username
            self.ids = {"body_id": body_id, "member_id": self.members["m6"]}
            for name, room in (("bridge_id", "Xã Suối Ngang"), ("spare_bridge_id", "Phường Lộc An")):
                row = BridgeRow(room, "", "Cụm 1", prefix + "m3", "0912345154")
                self.ids[name] = bridges.add_bridge(tx, clock.now(), body_id, row, "-")
            tx.get_one(Member, self.members["m6"]).bridge_id = self.ids["bridge_id"]
        self.ids["meeting_id"] = self._made("secretary", "/api/meetings", json=PLAN | {"body_id": body_id})
        self._prepare()
        self._sit()

    def call(self, who: str, method: str, path: str, **arguments: Any) -> Any:
        url = path if path.startswith("/") else f"/api/meetings/{self.ids['meeting_id']}/{path}"
        return self.web.call(self.prefix + who, method, url, **arguments)

    def _do(self, who: str, method: str, path: str, **arguments: Any) -> Any:
        answer = self.call(who, method, path, **arguments)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    def _made(self, who: str, path: str, **arguments: Any) -> str:
        return self._do(who, "POST", path, **arguments)["id"]

    def _prepare(self) -> None:
        ids, secretary = self.ids, "secretary"
        for name in ("item_id", "other_item_id", "spare_item_id"):
            ids[name] = self._made(secretary, "items", json={"title": name, "presenter": "Sở Tài chính", "minutes": 30})
        for name, audience in (("paper_id", "all"), ("delegates_paper_id", "delegates"), ("desk_paper_id", "desk")):
            form = {"data": {"title": name, "audience": audience}, **upload(name=f"{name}.pdf")}
            ids[name] = self._do(secretary, "POST", f"items/{ids['item_id']}/papers", **form)["paper_id"]
        self._do(secretary, "POST", "publish")
        form = {"data": {"title": "waiting"}, **upload(name="waiting.pdf")}
        ids["waiting_paper_id"] = self._do(secretary, "POST", f"items/{ids['item_id']}/papers", **form)["paper_id"]
        for name in ("spare_paper_id", "withdrawn_paper_id"):
            ids[name] = self._do(secretary, "POST", f"items/{ids['item_id']}/papers", **upload(name=f"{name}.pdf"))["paper_id"]
        self._do(secretary, "POST", f"papers/{ids['withdrawn_paper_id']}/withdraw")

    def _sit(self) -> None:
        ids, chair = self.ids, "chair"
        for name in ("chair", "secretary", "m3", "m4", "m5", "teller"):
            self._do(name, "POST", "check-in", json={})
        self._do(chair, "POST", "open")
        self._do(chair, "POST", "enter", json={"item_id": ids["item_id"]})
        ids["speech_id"] = self._made("m3", "speeches", json={})
        ids["floor_id"] = self._made("m4", "speeches", json={})
        self._do(chair, "POST", f"speeches/{ids['floor_id']}/give")
        for name in ("poll_id", "prepared_poll_id", "declared_poll_id", "closed_poll_id"):
            ids[name] = self._made("secretary", "polls", json={"item_id": ids["item_id"], "title": name, "duration": 3600})
        for name in ("declared_poll_id", "closed_poll_id"):
            self._do(chair, "POST", f"polls/{ids[name]}/open")
            self._do("m3", "POST", f"polls/{ids[name]}/ballots", json={"choice": "in_favour"}, **key())
            self._do(chair, "POST", f"polls/{ids[name]}/close")
        self._do(chair, "POST", f"polls/{ids['declared_poll_id']}/declare")
        self._do(chair, "POST", f"polls/{ids['poll_id']}/open")
        for name in (chair, "secretary", "m3"):
            self._do(name, "POST", f"polls/{ids['poll_id']}/ballots", json={"choice": "in_favour"}, **key())
        ids["note_id"] = str(uuid4())
        self._do("m3", "PUT", f"papers/{ids['paper_id']}/notes/{ids['note_id']}", json=NOTE)

    def end(self) -> None:
        """Close everything, so that there are minutes."""
        self._do("chair", "POST", f"polls/{self.ids['poll_id']}/close")
        self._do("chair", "POST", "close")


class World:
    """Two meetings of two bodies: ours in full course, theirs over; and an administrator who sits in neither."""

    def __init__(self, web: "Web") -> None:
        self.web, self.app = web, web.client.app
        with self.app.state.db.write() as tx:
            access.name_administrator(tx, clock.now(), "administrator")
        self.ours, self.theirs = Scene(web), Scene(web, "x-")
        self.theirs.end()
        self.call("administrator", "GET", "/api/me")  # from the first sign-in on, a right is bound, and a seat
        for who in ("chair", "secretary", "m3", "teller", "guest"):
            self.ours.call(who, "GET", "seat")
            self.theirs.call(who, "GET", "seat")

    def kept(self) -> dict[str, Any]:
        """Every row of every table but the record of refusals, and every stored file."""
        with self.app.state.db.read() as tx:
            names = tx.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'audit_event'")).all()
            rows = {name: sorted(map(repr, tx.execute(text(f'SELECT * FROM "{name}"')).all())) for name in names}  # noqa: S608
        stored = Path(self.app.state.settings.storage_url)
        return rows | {"files": sorted(str(path) for path in stored.rglob("*") if path.is_file())}

    def call(self, who: str, method: str, path: str, **arguments: Any) -> Any:
        """As `who`; without a token if that is empty."""
        if not who:
            return self.web.client.request(method, path, **arguments)
        return self.web.call(who, method, path, **arguments)
