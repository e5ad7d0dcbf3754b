"""What can be generated is not written by hand: the table of settings in docs/operate.md."""

import re
from pathlib import Path

from pydantic.fields import FieldInfo

from deploy.relay.settings import RelaySettings
from idp.settings import IdpSettings
from meetings.settings import MeetingsSettings
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
OPERATE = ROOT / "docs/operate.md"


HEAD = ["| variable | of | default | meaning |", "| --- | --- | --- | --- |"]


def row(name: str, owner: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{field.default}`" if field.default != "" else "empty"
    return f"| `{name.upper()}` | {owner} | {default} | {field.description} |"


def table() -> str:
    lines = HEAD.copy()
    for owner, settings in (("both", Settings), ("idp", IdpSettings), ("meetings", MeetingsSettings)):
        for name, field in settings.model_fields.items():
            if owner == "both" or name not in Settings.model_fields:
                lines.append(row(name, owner, field))
    return "\n".join(lines)


def table_of_the_relay() -> str:
    return "\n".join([*HEAD, *(row(name, "relay", field) for name, field in RelaySettings.model_fields.items())])


def test_the_table_of_settings_is_that_of_the_code():
    written = OPERATE.read_text("utf-8")
    for known in (table(), table_of_the_relay()):
        assert known in written, f"put this into docs/operate.md:\n{known}"


def test_every_setting_is_read_somewhere():
    code = "\n".join(
        path.read_text("utf-8")
        for package in ("shared", "idp", "meetings", "deploy")
        for path in (ROOT / package).rglob("*.[ph][yt]*")
        if path.suffix != ".pyc"
    )
    for settings in (IdpSettings, MeetingsSettings, RelaySettings):
        unread = [name for name in settings.model_fields if not re.search(rf"(settings|self)\.{name}\b", code)]
        assert not unread, f"a setting that nobody reads: {unread}"


def test_every_link_between_the_docs_leads_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
