"""What everything that is stored has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """Base of everything that is stored: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", use_enum_values=False)
