"""The life of a meeting and the shape of its agenda. No database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetings.agenda.problems import AgendaTooDeep, MeetingNotInStage
from meetings.agenda.rules import DEPTH, STEPS, Node, Stage, move, need_stage, next_stage, numbers


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("verb", STEPS)
def test_a_meeting_goes_its_way_and_no_other(verb, stage):
    way = {
        ("publish", "draft"): "published",
        ("publish", "published"): "published",
        ("publish", "open"): "open",
        ("publish", "adjourned"): "adjourned",
        ("open", "published"): "open",
        ("open", "adjourned"): "open",
        ("adjourn", "open"): "adjourned",
        ("close", "open"): "closed",
        ("close", "adjourned"): "closed",
    }
    if (verb, stage.value) in way:
        assert next_stage(stage, verb) == way[verb, stage.value]
    else:
        with pytest.raises(MeetingNotInStage) as refusal:
            next_stage(stage, verb)
        assert refusal.value.facts == {"stage": stage.value}


def test_an_act_may_need_one_of_several_stages():
    need_stage(Stage.OPEN, Stage.OPEN, Stage.ADJOURNED)
    with pytest.raises(MeetingNotInStage):
        need_stage(Stage.DRAFT, Stage.OPEN, Stage.ADJOURNED)


def tree(text: str) -> list[Node]:
    """`a b(c d(e))` as nodes."""
    nodes: list[Node] = []
    path: list[str | None] = [None]
    for sign in text.replace(" ", ""):
        if sign == "(":
            path.append(nodes[-1].id)
        elif sign == ")":
            path.pop()
        else:
            nodes.append(Node(sign, path[-1], sum(node.parent_id == path[-1] for node in nodes)))
    return nodes


def written(nodes: list[Node], parent_id: str | None = None) -> str:
    parts = []
    for node in sorted((n for n in nodes if n.parent_id == parent_id), key=lambda n: n.position):
        inner = written(nodes, node.id)
        parts.append(f"{node.id}({inner})" if inner else node.id)
    return " ".join(parts)


def test_items_are_numbered_as_they_are_printed():
    numbered = numbers(tree("a b(c d(e f)) g"))
    assert numbered == {"a": "1", "b": "2", "c": "2.1", "d": "2.2", "e": "2.2.1", "f": "2.2.2", "g": "3"}
    assert list(numbered) == list("abcdefg")
    assert numbers([]) == {}


@pytest.mark.parametrize(
    ("before", "moved", "parent", "position", "after"),
    [
        ("a b c", "c", None, 0, "c a b"),
        ("a b c", "a", None, 2, "b c a"),
        ("a b c", "a", None, 1, "b a c"),
        ("a b c", "b", None, 99, "a c b"),
        ("a b c", "b", None, 1, "a b c"),
        ("a b(c d)", "d", None, 0, "d a b(c)"),
        ("a b(c d)", "a", "b", 1, "b(c a d)"),
        ("a(b(c))", "b", None, 0, "b(c) a"),
        ("a b(c)", "b", "a", 0, "a(b(c))"),
        ("a(b(c)) d", "d", "c", 0, None),
        ("a(b(c)) d", "d", "b", 0, "a(b(d c))"),
        ("a(b) c(d)", "c", "b", 0, None),
        ("a(b(c))", "a", "a", 0, None),
        ("a(b(c))", "a", "c", 0, None),
        ("a b", "a", "unknown", 0, None),
    ],
)
def test_an_item_moves_with_all_that_hangs_on_it(before, moved, parent, position, after):
    if after is None:
        with pytest.raises(AgendaTooDeep) as refusal:
            move(tree(before), moved, parent, position)
        assert refusal.value.facts == {"depth": DEPTH}
    else:
        assert written(move(tree(before), moved, parent, position)) == after


STEPS_OF_MOVING = st.lists(st.tuples(st.integers(0, 11), st.integers(-1, 11), st.integers(0, 12)), max_size=25)


@given(STEPS_OF_MOVING, st.integers(1, 12))
def test_whatever_is_moved_the_agenda_stays_a_tree_without_gaps(steps, count):
    nodes = [Node(str(number), None, number) for number in range(count)]
    for moved, parent, position in steps:
        moved_id, parent_id = str(moved % count), None if parent < 0 else str(parent % count)
        try:
            after = move(nodes, moved_id, parent_id, position)
        except AgendaTooDeep:
            continue
        landed = next(node for node in after if node.id == moved_id)
        siblings = [node for node in after if node.parent_id == parent_id]
        assert (landed.parent_id, landed.position) == (parent_id, min(position, len(siblings) - 1))
        nodes = after
        assert_whole(nodes, count)


def assert_whole(nodes: list[Node], count: int) -> None:
    by_id = {node.id: node for node in nodes}
    assert len(nodes) == len(by_id) == count
    for parent_id in {node.parent_id for node in nodes}:
        places = sorted(node.position for node in nodes if node.parent_id == parent_id)
        assert places == list(range(len(places)))
    for node in nodes:
        depth, up = 1, node
        while up.parent_id is not None:
            depth, up = depth + 1, by_id[up.parent_id]
            assert depth <= DEPTH
    numbered = numbers(nodes)
    assert len(set(numbered.values())) == count
