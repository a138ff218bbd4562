"""The figures of an endpoint on this machine: its router's, and those of its servers with their deployment's name."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence

TIMEOUT_S = 2.0
_NAME = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?")


async def scraped(router: str, servers: Mapping[str, Sequence[str]]) -> str:
    """What all of them say, in Prometheus' text format; "" when the router, at `router` as HOST:PORT, does not answer,
    and nothing of a server that does not. `servers` has the addresses by deployment."""
    import aiohttp

    places = [(name, address) for name, addresses in sorted(servers.items()) for address in addresses]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:

        async def text_of(address: str) -> str:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with http.get(f"http://{address}/metrics") as answer:
                    return await answer.text() if answer.status == 200 else ""
            return ""

        first, *others = await asyncio.gather(text_of(router), *(text_of(address) for _, address in places))
    if not first:
        return ""
    return first + "".join(labelled(text, *place) for place, text in zip(places, others, strict=True))


def labelled(text: str, deployment: str, process: str) -> str:
    """The samples with labels that say whose they are; comments are left out, for each name may have one only."""
    labels = f'deployment="{deployment}",process="{process}"'
    lines = []
    for line in text.splitlines():
        match = _NAME.match(line)
        if match is None:
            continue
        rest = line[match.end() :]
        closing = ("" if rest.startswith("}") else ",") if match[2] else "}"
        lines.append(f"{match[1]}{{{labels}{closing}{rest}\n")
    return "".join(lines)
