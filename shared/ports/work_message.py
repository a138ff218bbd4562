"""What is in the work queue: that a resource is to be looked at."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.errors import Invalid
from shared.ports.messaging import WorkQueue
from shared.resources.base import ResourceKey


@dataclass(frozen=True, slots=True)
class WorkMessage:
    """What is in the work queue."""

    key: ResourceKey
    attempt: int = 1  # which try this is since the last success
    until: str = ""  # look_again_at of the resource when the chain of messages began that this one goes on with; "" for
    # one that begins a chain
    traceparent: str = ""  # the span that sent it (W3C Trace Context); "" where nothing is traced

    def dump(self) -> str:
        """The message's text."""
        version = {} if self.key.version is None else {"version": self.key.version}
        said = {"kind": self.key.kind, "name": self.key.name, **version, "attempt": self.attempt}
        optional = {"until": self.until, "traceparent": self.traceparent}
        return json.dumps(said | {name: value for name, value in optional.items() if value})

    @classmethod
    def load(cls, text: str) -> WorkMessage:
        """The message of a text. Raises Invalid for anything else."""
        try:
            document = json.loads(text)
            version = document.get("version")
            key = ResourceKey(str(document["kind"]), str(document["name"]), None if version is None else str(version))
            until, traceparent = (str(document.get(name, "")) for name in ("until", "traceparent"))
            return cls(key, int(document.get("attempt", 1)), until, traceparent)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Invalid(f"not a work message: {text[:200]!r}", remedy='send {"kind": ..., "name": ...}') from error


async def wake(queue: WorkQueue, key: ResourceKey) -> None:
    """Have a resource looked at now; were the message lost, the timer would. Raises Retryable."""
    await queue.send(WorkMessage(key).dump())
