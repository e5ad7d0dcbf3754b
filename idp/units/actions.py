from datetime import datetime

from sqlalchemy.orm import Session

from idp.units.models import Unit
from idp.units.rules import Kind
from shared import audit
from shared.ids import new_id
from shared.words import nfc


def create_unit(tx: Session, now: datetime, *, code: str, name: str, kind: Kind, parent_id: str | None = None) -> Unit:
    """Add an agency; `parent_id` is the unit above it, None for the province."""
    unit = Unit(id=new_id(), code=nfc(code), name=nfc(name), kind=Kind(kind), parent_id=parent_id)
    tx.add(unit)
    audit.record(tx, now, "unit.created", object=unit.id, code=unit.code, parent=parent_id or "")
    return unit
