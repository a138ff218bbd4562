"""Where models are profiled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.profile import ProfileResult
from shared.resources.profile_job import ProfileSpec


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """What is to be profiled."""

    profile_id: str  # names it, for looking again
    spec: ProfileSpec
    environment_location: str  # where the environment is built
    packages: tuple[str, ...]  # names of the packages it has
    read_file: Callable[[str], AsyncIterator[bytes]]  # the content of a file, by its SHA-256
    timeout_s: float  # how long all of it may take
    recipe: EnvironmentRecipe | None = None  # what the environment is made of; None where that is not known


@dataclass(frozen=True, slots=True)
class ProfileProgress:
    """How far a profile is."""

    run_id: str
    log: str = ""  # its progress so far
    result: ProfileResult | None = None  # when it has ended, however


class ModelProfiler(Protocol):
    """Measures what a model's server needs: by processes of this machine, or in a job of a cluster."""

    async def advance(self, request: ProfileRequest, run_id: str) -> ProfileProgress:
        """Begin it, or look at the one under way or done; one that died goes on from what it had measured. Raises
        NotSupported where nothing can be profiled."""
        ...

    async def cancel(self, profile_id: str) -> None:
        """End it: what was measured until then is its result. Nothing happens when it has ended."""
        ...
