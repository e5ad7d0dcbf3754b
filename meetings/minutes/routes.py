from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from docs_store import versions
from docs_store.routes import answer_file
from meetings.agenda.door import Conducting, Delegated, Preparing, Seat
from meetings.live.views import SignatureView, View
from meetings.live.wire import WORDS, Wire
from meetings.minutes import actions, draft, evidence
from meetings.minutes.facts import gather
from meetings.minutes.models import Minutes, signatures_of
from meetings.minutes.problems import NotYourTurn
from meetings.minutes.rules import MinutesStage
from meetings.papers.door import Shelf
from shared.audit import canonical
from shared.clock import Now
from shared.problems import NotFound
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}")
Key = Literal["opening", "attendance", "content", "voting", "closing"]


class Texts(Wire):
    revision: Annotated[int, Field(ge=1)]
    texts: dict[Key, Annotated[str, Field(max_length=20_000)]]


class Return(Wire):
    reason: Annotated[str, Field(min_length=1, max_length=1000, pattern=WORDS)]


class VoteTableView(View):
    number: str
    heading: str
    counts: list[int]
    sum: str
    ballots: list[list[str]]


class SectionView(View):
    """`paragraphs` and `votes` come from the log and are locked; `text` is the secretary's."""

    key: Key
    title: str
    paragraphs: list[str]
    votes: list[VoteTableView]
    text: str


class MinutesDraft(View):
    stage: Literal["draft", "frozen", "signed_by_secretary", "signed"]
    revision: int
    sections: list[SectionView]
    signatures: list[SignatureView]
    sha256: str | None
    verify_url: str
    events: int
    returned: str  # why the chair sent them back; empty where that is not where they stand


@router.post("/adjourn", status_code=204)
def adjourn(seat: Conducting, tx: Tx, now: Now) -> None:
    actions.adjourn(tx, now, seat)


@router.post("/close", status_code=204)
def close_meeting(seat: Conducting, tx: Tx, now: Now) -> None:
    """End the meeting for good; its minutes begin."""
    actions.close_meeting(tx, now, seat)


@router.get("/minutes")
def read_minutes(request: Request, seat: Delegated, tx: Read) -> MinutesDraft:
    minutes = _shown(tx, seat)
    log = [entry["body"] for entry in evidence.log_of(tx, seat.meeting_id)]
    returned = [event["reason"] for event in log if event["type"] == "minutes.returned"]
    return MinutesDraft(
        stage=MinutesStage(minutes.stage).value,
        revision=minutes.revision,
        sections=[SectionView.model_validate(one) for one in draft.sections(gather(tx, seat.meeting_id), minutes.texts)],
        signatures=[SignatureView.model_validate(one) for one in signatures_of(tx, seat.meeting_id)],
        sha256=minutes.sha256,
        verify_url=f"{request.app.state.settings.public_url}/verify",
        events=len(log),
        returned=returned[-1] if returned and minutes.stage == MinutesStage.DRAFT else "",
    )


def _shown(tx: Read, seat: Seat) -> Minutes:
    minutes = tx.get(Minutes, seat.meeting_id)
    if minutes is None:
        raise NotFound()
    return minutes


@router.put("/minutes", status_code=204)
def save_texts(seat: Preparing, tx: Tx, now: Now, body: Texts) -> None:
    actions.save_texts(tx, now, seat, body.revision, {str(key): text for key, text in body.texts.items()})


@router.post("/minutes/freeze", status_code=204)
def freeze(request: Request, seat: Preparing, store: Shelf, now: Now) -> None:
    actions.freeze(request.app.state.db, store, now, seat)


@router.get("/minutes.pdf")
@router.head("/minutes.pdf", include_in_schema=False)
def read_pdf(request: Request, seat: Delegated, store: Shelf, now: Now) -> Response:
    """The draft as it would be set now, or the very bytes that are frozen or signed."""
    db = request.app.state.db
    with db.read() as tx:
        document_id = _shown(tx, seat).document_id
        found = versions.find(tx, document_id) if document_id else None
    if found is None:
        return Response(actions.typeset_draft(db, now, seat.meeting_id), media_type="application/pdf")
    answer = answer_file(request, store, found, download_name="bien-ban.pdf")
    answer.headers["Cache-Control"] = "private, no-cache"  # the next signature changes what lies at this address
    return answer


@router.get("/minutes/evidence.json")
def read_evidence(seat: Delegated, tx: Read) -> Response:
    """The evidence that stands in the minutes, as they will be or are."""
    _shown(tx, seat)
    return Response(canonical(evidence.collect(tx, seat.meeting_id)), media_type="application/json")


@router.post("/minutes/sign", status_code=204)
def sign(request: Request, seat: Conducting, store: Shelf, now: Now) -> None:
    """The secretary first, then the chair; each with a fresh sign-in (RFC 9470 challenge otherwise)."""
    actions.sign(request.app.state.db, store, request.app.state.settings, now, seat)


@router.post("/minutes/return", status_code=204)
def send_back(seat: Conducting, tx: Tx, now: Now, body: Return) -> None:
    if not seat.is_chair:
        raise NotYourTurn()
    actions.send_back(tx, now, seat, body.reason)
