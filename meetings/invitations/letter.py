"""The letter of invitation (giấy mời) and its calendar file."""

from datetime import timedelta
from email.message import EmailMessage
from email.utils import formataddr
from zoneinfo import ZoneInfo

import icalendar

from meetings.agenda.models import Meeting
from meetings.bodies.models import Member
from shared.settings import Settings
from shared.words import say

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
LOCALES = ("meetings",)
LENGTH = timedelta(hours=4)  # an invitation tells when to come; the agenda tells the rest


def compose(settings: Settings, meeting: Meeting, member: Member) -> EmailMessage:
    """In Vietnamese, with the meeting as an iCalendar request that keeps its identity over changes (RFC 5545, RFC 6047)."""
    starts = meeting.starts_at.astimezone(VIETNAM)
    facts = {
        "name": f"{member.honorific} {member.full_name}".strip(),
        "title": meeting.title,
        "body": meeting.body.name,
        "when": starts.strftime("%H:%M, ngày %d/%m/%Y"),
        "place": meeting.place or "–",
        "link": f"{settings.public_url}/m/{meeting.id}",
    }
    letter = EmailMessage()
    letter["Subject"] = _one_line(say("vi", LOCALES, "invitation.subject", **facts))
    letter["From"] = settings.mail_from
    letter["To"] = formataddr((_one_line(member.full_name), member.email))
    letter.set_content(say("vi", LOCALES, "invitation.text", **facts))
    ics = calendar(settings, meeting, member).to_ical()
    letter.add_attachment(ics, "text", "calendar", params={"method": "REQUEST", "charset": "utf-8"}, filename="giay-moi.ics")
    return letter


def _one_line(text: str) -> str:
    """A header has no line breaks; a title may, and may hide one in what looks like an encoded word (RFC 2047, 2)."""
    return " ".join(text.replace("=?", "= ?").split())


def calendar(settings: Settings, meeting: Meeting, member: Member) -> icalendar.Calendar:
    starts = meeting.starts_at.astimezone(VIETNAM)
    event = icalendar.Event()
    event.add("uid", f"{meeting.id}@{settings.public_url.split('//')[-1]}")
    event.add("dtstamp", meeting.published_at or meeting.starts_at)
    event.add("sequence", 0)
    event.add("dtstart", starts)
    event.add("dtend", starts + LENGTH)
    event.add("summary", meeting.title)
    event.add("location", meeting.place)
    event.add("url", f"{settings.public_url}/m/{meeting.id}")
    organizer = icalendar.vCalAddress(f"mailto:{settings.mail_from}")
    organizer.params["cn"] = icalendar.vText(meeting.body.name)
    event["organizer"] = organizer
    attendee = icalendar.vCalAddress(f"mailto:{member.email}")
    attendee.params["cn"] = icalendar.vText(member.full_name)
    attendee.params["rsvp"] = icalendar.vText("TRUE")
    event.add("attendee", attendee, encode=False)
    whole = icalendar.Calendar()
    whole.add("prodid", "-//Diên Hồng//meetings//VI")
    whole.add("version", "2.0")
    whole.add("method", "REQUEST")
    whole.add_component(event)
    whole.add_missing_timezones()
    return whole
