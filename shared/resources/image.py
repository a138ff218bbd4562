"""Images of models: the recipe that identifies one, and what is so of its build."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from pydantic import Field

from shared.resources.base import Document
from shared.resources.build import BuildStatus
from shared.resources.model import ModelFile

KIND = "image"
PLATFORM_PATTERN = r"^linux/(amd64|arm64)$"


class ImageRecipe(Document):
    """All that decides what an image is; who asked for it and where it is pushed is no part of it."""

    model_name: str  # the model, whose files lie under its name and version
    model_version: str
    files: list[ModelFile]  # the model's files, sorted by path
    environment_identity: str  # the environment, built of `lock`
    python_version: str  # e.g. 3.11
    lock: list[str] = Field(default_factory=list)  # the environment's locked packages, sorted
    base_image: str  # what it rests on: a reference, best by digest, or a folder or archive of the builder's machine
    entry_script: str = ""  # path in the model's files of a script with init() and run(); "" for a model without code
    server: str  # SHA-256 of the scoring server that is put into it
    platforms: list[str]  # e.g. linux/amd64, sorted

    @property
    def identity(self) -> str:
        """SHA-256 of the recipe's canonical JSON (sorted keys, no spaces): an image's name, here and as its tag."""
        document = self.model_dump(mode="json")
        return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class ImageSpec(Document):
    """An image of a model, packaged once for everybody: its name is the recipe's identity."""

    recipe: ImageRecipe
    environment: str  # NAME:VERSION of the environment it was asked for with
    references: list[str] = Field(default_factory=list)  # what it is made of: KIND/NAME:VERSION


class ImageStatus(BuildStatus):
    """What is so of an image. `location` is its reference by digest."""

    digest: str = ""  # sha256:... of its manifest or index; "" before it is built
    unused: str = ""  # why nobody needs it any more; "" while somebody may
    unused_since: datetime | None = None  # when that was found out; it is removed a retention later
