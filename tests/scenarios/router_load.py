"""Requests at a steady rate whose answers are checked one by one."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass, field
from typing import Any

IDLE_S = 30.0  # a caller that keeps a connection idle for longer than the router does loses the next request on it


@dataclass
class Sent:
    """A request, and what became of it."""

    number: int
    method: str
    sent_s: float  # the loop's time
    done_s: float = 0.0
    status: int = 0  # 0 when the connection broke
    by: str = ""  # who says to have answered
    right: bool = False  # whether it is the answer to this request


@dataclass
class Load:
    """An open loop: requests come when they are due, however long others take."""

    port: int
    rate: float  # requests/s
    sent: list[Sent] = field(default_factory=list)
    _idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    _stopped: bool = False

    async def run(self) -> None:
        """Send until `stop`, and wait for all answers."""
        loop = asyncio.get_running_loop()
        began_s, tasks = loop.time(), []
        while not self._stopped:
            number = len(self.sent)
            await asyncio.sleep(began_s + number / self.rate - loop.time())
            one = Sent(number, "GET" if number % 2 else "POST", loop.time())
            self.sent.append(one)
            tasks.append(loop.create_task(self._send(one)))
        await asyncio.gather(*tasks)
        for _, _, writer in self._idle:
            writer.close()

    def stop(self) -> None:
        self._stopped = True

    async def _send(self, one: Sent) -> None:
        reader, writer = await self._connection()
        writer.write(self.message(one))
        try:
            head_bytes = await reader.readuntil(b"\r\n\r\n")
            lines = head_bytes.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:-2])
            answer = json.loads(await reader.readexactly(int(headers["content-length"])))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            one.done_s = asyncio.get_running_loop().time()
            return
        one.done_s = asyncio.get_running_loop().time()
        one.status = int(lines[0].split(" ")[1])
        one.by = answer.get("by", "")
        one.right = self.is_answer(one, answer) and headers.get("azureml-model-deployment") == one.by
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((asyncio.get_running_loop().time(), reader, writer))

    def message(self, one: Sent) -> bytes:
        """The request as it is sent."""
        path, body = self._asked(one)
        head = f"{one.method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body.encode()

    def is_answer(self, one: Sent, answer: dict[str, Any]) -> bool:
        """Whether it is the answer to that request."""
        return (answer.get("path"), answer.get("body"), answer.get("method")) == (*self._asked(one), one.method)

    def _asked(self, one: Sent) -> tuple[str, str]:
        return f"/slow/{one.number % 4 * 5}/{one.number}", f"{one.number}" if one.method == "POST" else ""

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since_s, reader, writer = self._idle.pop()
            if asyncio.get_running_loop().time() - since_s < IDLE_S and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)

    def between(self, first_s: float, last_s: float) -> list[Sent]:
        """Those that were sent and answered in that time: on a busy machine a request may wait until the next split."""
        return [one for one in self.sent if first_s <= one.sent_s and 0 < one.done_s < last_s]


def within_binomial_99(hits: int, trials: int, chance: float) -> bool:
    """Whether so many hits are within the 99 % interval of the binomial distribution (normal approximation, with its
    correction for continuity)."""
    return abs(hits - trials * chance) <= 2.576 * math.sqrt(trials * chance * (1 - chance)) + 0.5
