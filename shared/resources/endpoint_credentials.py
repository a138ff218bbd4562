"""The keys of an endpoint. They are kept apart from its resource, which everybody may read who may list."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.resources.base import Document


class KeyType(StrEnum):
    """Which of the two keys: callers use one while the other is made anew."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


class EndpointCredentials(Document):
    """What opens an endpoint. None of it must be in a log, an event, an error, or an argument of a process."""

    made_for: datetime  # when the endpoint was created: another one of its name gets others
    primary_key: str = Field(repr=False)  # opens it with auth_mode key
    secondary_key: str = Field(repr=False)  # the same
    primary_generation: int = 1  # how often it was made
    secondary_generation: int = 1  # the same
    token_secret: str = Field(repr=False)  # signs the tokens that open it with auth_mode aml_token
