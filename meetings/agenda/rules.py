"""The life of a meeting and the shape of its agenda."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from meetings.agenda.problems import AgendaTooDeep, MeetingNotInStage


class Stage(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    OPEN = "open"
    ADJOURNED = "adjourned"
    CLOSED = "closed"


# verb -> (stages it may start from, stage it leads to)
STEPS: Mapping[str, tuple[frozenset[Stage], Stage]] = {
    "publish": (frozenset({Stage.DRAFT, Stage.PUBLISHED, Stage.OPEN, Stage.ADJOURNED}), Stage.PUBLISHED),
    "open": (frozenset({Stage.PUBLISHED, Stage.ADJOURNED}), Stage.OPEN),
    "adjourn": (frozenset({Stage.OPEN}), Stage.ADJOURNED),
    "close": (frozenset({Stage.OPEN, Stage.ADJOURNED}), Stage.CLOSED),
}


def next_stage(stage: Stage, verb: str) -> Stage:
    """The stage after `verb`; publishing again during the meeting leaves it where it is."""
    allowed, result = STEPS[verb]
    if stage not in allowed:
        raise MeetingNotInStage(stage=stage.value)
    return stage if verb == "publish" and stage is not Stage.DRAFT else result


def need_stage(stage: Stage, *allowed: Stage) -> None:
    if stage not in allowed:
        raise MeetingNotInStage(stage=stage.value)


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    parent_id: str | None
    position: int


DEPTH = 3


def numbers(nodes: Sequence[Node]) -> dict[str, str]:
    """The printed number of each item: "1", "2", "2.1". Items in an order of the tree, first level first."""
    children: dict[str | None, list[Node]] = {}
    for node in sorted(nodes, key=lambda node: node.position):
        children.setdefault(node.parent_id, []).append(node)
    numbered: dict[str, str] = {}

    def walk(parent_id: str | None, prefix: str) -> None:
        for place, node in enumerate(children.get(parent_id, ()), 1):
            numbered[node.id] = f"{prefix}{place}"
            walk(node.id, f"{prefix}{place}.")

    walk(None, "")
    return numbered


def move(nodes: Sequence[Node], moved_id: str, parent_id: str | None, position: int) -> list[Node]:
    """All items with `moved_id` as the `position`-th child (from 0) of `parent_id`; positions are 0.. without gaps.

    Refuses a move under itself or deeper than three levels.
    """
    by_id = {node.id: node for node in nodes}
    above, ancestor = 0, parent_id
    while ancestor is not None:
        above += 1
        if ancestor == moved_id or ancestor not in by_id:
            raise AgendaTooDeep(depth=DEPTH)
        ancestor = by_id[ancestor].parent_id
    if above + _height(nodes, moved_id) > DEPTH:
        raise AgendaTooDeep(depth=DEPTH)
    rest = sorted((n for n in nodes if n.id != moved_id), key=lambda n: n.position)
    siblings = [n for n in rest if n.parent_id == parent_id]
    siblings.insert(position, Node(moved_id, parent_id, 0))
    old_parent = by_id[moved_id].parent_id
    left_behind = [n for n in rest if n.parent_id == old_parent] if old_parent != parent_id else []
    others = [n for n in rest if n.parent_id not in (parent_id, old_parent)]
    return others + [Node(n.id, n.parent_id, place) for group in (siblings, left_behind) for place, n in enumerate(group)]


def _height(nodes: Sequence[Node], root_id: str) -> int:
    return 1 + max((_height(nodes, node.id) for node in nodes if node.parent_id == root_id), default=0)
