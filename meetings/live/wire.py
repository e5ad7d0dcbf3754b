"""What every body of a request has in common."""

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """A field that is not known is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")
