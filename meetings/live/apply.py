"""The one pure rule by which an event changes the state.

Written once more in `web/src/meeting/apply.ts`; a shared golden file keeps the two equal.
"""

from typing import Any

from meetings.live.events import AnyEvent
from meetings.live.views import State


def apply(state: State, event: AnyEvent) -> State:
    """The state after `event`: every field of the event that the state also has replaces it or is put under its id."""
    change: dict[str, Any] = {}
    for name in type(event).model_fields:
        value = getattr(event, name)
        if name in _WHOLE:
            change[name] = value
        elif name in _ONE_OF_MANY:
            field, key = _ONE_OF_MANY[name]
            change[field] = getattr(state, field) | {getattr(value, key): value}
        elif name == "speeches":
            change["speaking"] = state.speaking | value
    return state.model_copy(update=change)


_WHOLE = ("meeting", "members", "agenda", "bridges", "quorum", "minutes")
_ONE_OF_MANY = {
    "paper": ("papers", "id"),
    "attendance": ("attendance", "member_id"),
    "bridge": ("bridges", "id"),
    "speech": ("speaking", "id"),
    "poll": ("polls", "id"),
}
