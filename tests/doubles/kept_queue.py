"""A queue whose messages are taken when somebody asks, due or not: time does not pass between looks."""

from __future__ import annotations


class KeptQueue:
    """A queue that gives its messages when they are asked for, due or not."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    async def send(self, body: str, *, delay_s: float = 0) -> str:
        self.bodies.append(body)
        return str(len(self.bodies))

    def taken(self) -> list[str]:
        bodies, self.bodies = self.bodies, []
        return bodies
