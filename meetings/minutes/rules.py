"""The life of the minutes, and who signs when (Decree 30/2020/NĐ-CP: secretary left, chair right)."""

from enum import StrEnum

from meetings.minutes.problems import MinutesNotInStage, NotYourTurn


class MinutesStage(StrEnum):
    DRAFT = "draft"
    FROZEN = "frozen"
    SIGNED_BY_SECRETARY = "signed_by_secretary"
    SIGNED = "signed"


class Signatory(StrEnum):
    SECRETARY = "secretary"
    CHAIR = "chair"


TURNS = {
    MinutesStage.FROZEN: (Signatory.SECRETARY, MinutesStage.SIGNED_BY_SECRETARY),
    MinutesStage.SIGNED_BY_SECRETARY: (Signatory.CHAIR, MinutesStage.SIGNED),
}


def need_stage(stage: MinutesStage, *allowed: MinutesStage) -> None:
    if stage not in allowed:
        raise MinutesNotInStage(stage=stage.value)


def turn(stage: MinutesStage, *, is_secretary: bool, is_chair: bool) -> tuple[Signatory, MinutesStage]:
    """Who signs now and what follows; refused to everyone else."""
    if stage not in TURNS:
        raise MinutesNotInStage(stage=stage.value)
    whose, following = TURNS[stage]
    if not (is_secretary if whose is Signatory.SECRETARY else is_chair):
        raise NotYourTurn()
    return whose, following
