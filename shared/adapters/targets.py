"""Every target of an installation behind one: an endpoint goes where its compute says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from shared.errors import Invalid, NotFound, NotSupported, SlipwayError
from shared.ports import DeploymentPlan, DeploymentPlanner, DeploymentTarget, DesiredEndpoint, ObservedEndpoint


class TargetsByCompute:
    """A DeploymentTarget, and a DeploymentPlanner. Targets of computes are opened when they are needed first."""

    def __init__(self, own: DeploymentTarget, openers: Mapping[str, Callable[[], DeploymentTarget]]) -> None:
        self._own = own
        self._openers = openers
        self._open: dict[str, DeploymentTarget] = {"": own}
        self._places: dict[str, str] = {}  # computes of endpoints that were looked at

    def _target(self, compute: str) -> DeploymentTarget:
        """Raises Invalid for a compute that is not configured."""
        if compute not in self._open:
            if compute not in self._openers:
                known = ", ".join(sorted(self._openers)) or "none"
                raise Invalid(
                    f"there is no compute {compute[:80]!r}", remedy=f"configured in SLIPWAY_COMPUTES: {known}"
                )
            self._open[compute] = self._openers[compute]()
        return self._open[compute]

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """See DeploymentTarget."""
        target = self._target(desired.compute)
        self._places[desired.name] = desired.compute
        return await target.ensure(desired)

    async def plan(self, desired: DesiredEndpoint) -> DeploymentPlan:
        """See DeploymentPlanner."""
        target = self._target(desired.compute)
        if not isinstance(target, DeploymentPlanner):
            raise NotSupported(
                f"{desired.name} runs as processes of this machine: nothing is rendered",
                remedy="name a cluster or devices as the endpoint's `compute`",
            )
        return await target.plan(desired)

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """See DeploymentTarget: where it was looked at, or else wherever it is."""
        for target in self._candidates(endpoint):
            seen = await target.observe(endpoint)
            if seen is not None:
                return seen
        return None

    async def metrics(self, endpoint: str) -> str:
        """See DeploymentTarget."""
        for target in self._candidates(endpoint):
            if text := await target.metrics(endpoint):
                return text
        return ""

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """See DeploymentTarget."""
        for target in self._candidates(endpoint):
            try:
                return await target.logs(endpoint, deployment, lines)
            except NotFound:
                continue
        raise NotFound(f"nothing of {endpoint}/{deployment} runs, or has run")

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """See DeploymentTarget: an endpoint that was moved to another compute goes where it was. A place that does not
        answer is told of once all others were looked at; nothing can be removed from one that can't be served here."""
        gone: set[str] = set()
        failed: SlipwayError | None = None
        for compute, target in self._served():
            kept = frozenset(name for name in endpoints if self._places.get(name, compute) == compute)
            try:
                gone |= set(await target.keep_only(kept))
            except SlipwayError as error:
                failed = error
        if failed is not None:
            raise failed
        return tuple(sorted(gone))

    def _candidates(self, endpoint: str) -> Iterator[DeploymentTarget]:
        """Where it was looked at, or else every place. What nobody has looked at is in no place that can't be served
        here, as one without its client installed: only those who name that place are told why."""
        known = self._places.get(endpoint)
        if known is not None:
            yield self._target(known)
            return
        for _, target in self._served():
            yield target

    def _served(self) -> Iterator[tuple[str, DeploymentTarget]]:
        for compute in ("", *self._openers):
            try:
                target = self._target(compute)
            except NotSupported:
                continue
            yield compute, target
