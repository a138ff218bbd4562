"""What an endpoint's place tells, when it does not do what it should."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.adapters.local.deployment_target import MAX_FAILURES, routed
from shared.adapters.local.process_types import ObservedProcess, ProcessPhase
from shared.adapters.targets import TargetsByCompute
from shared.errors import NotSupported, Retryable
from shared.ports import DesiredEndpoint, ObservedEndpoint


class Place:
    """A target that keeps names only, or does not answer."""

    def __init__(self, *names: str, answers: bool = True) -> None:
        self.names = set(names)
        self._answers = answers

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        self.names.add(desired.name)
        return ObservedEndpoint("", True)

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        return ObservedEndpoint("", True) if endpoint in self.names else None

    async def metrics(self, endpoint: str) -> str:
        return ""

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        return ""

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        if not self._answers:
            raise Retryable("no answer")
        gone = self.names - endpoints
        self.names &= endpoints
        return tuple(sorted(gone))


async def test_a_place_that_does_not_answer_keeps_no_other_from_being_tidied() -> None:
    here, last = Place("kept", "gone"), Place("gone-too")
    targets = TargetsByCompute(here, {"silent": lambda: Place(answers=False), "last": lambda: last})
    with pytest.raises(Retryable, match="no answer"):
        await targets.keep_only(frozenset({"kept"}))
    assert (here.names, last.names) == ({"kept"}, set())


def test_a_router_that_ends_again_and_again_says_why() -> None:
    failing = ObservedProcess(
        ProcessPhase.BACKING_OFF, failures=MAX_FAILURES, exit="exit code 1", log_tail="Traceback\nNo module named 'x'\n"
    )
    assert routed(failing) == (False, "its router ended 3 times: exit code 1: No module named 'x'")
    assert routed(ObservedProcess(ProcessPhase.BACKING_OFF, failures=MAX_FAILURES - 1)) == (False, "")
    assert routed(ObservedProcess(ProcessPhase.READY)) == (True, "")
    assert routed(None) == (False, "")


async def test_a_place_that_can_not_be_served_here_is_told_of_to_those_alone_who_name_it() -> None:
    """Its client is not installed, say: nothing of this installation is there, and all else goes on."""

    def refuse() -> Place:
        raise NotSupported("no client is installed")

    here, last = Place("kept", "gone"), Place("gone-too", "there")
    targets = TargetsByCompute(here, {"unserved": refuse, "last": lambda: last})
    assert await targets.keep_only(frozenset({"kept", "there"})) == ("gone", "gone-too")
    assert await targets.observe("there") is not None
    assert await targets.observe("nowhere") is None
    desired = DesiredEndpoint("there", (), {}, {}, "", empty, compute="unserved")
    with pytest.raises(NotSupported, match="no client"):
        await targets.ensure(desired)


async def empty(sha256: str) -> AsyncIterator[bytes]:
    yield b""
