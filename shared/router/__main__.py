"""`python -m shared.router --config FILE --port N`: routes requests to the processes that the file names."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from types import ModuleType

from shared.router.server import LOGGER, Server, StartError

EXIT_BROKEN = 3  # as the scoring server: starting it again does not help


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shared.router",
        description="Routes requests to an endpoint's deployments. The file is read again when it changes, and on "
        "SIGHUP. GET /metrics gives figures for Prometheus.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="JSON: deployments and weights")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    return parser


def _uvloop() -> ModuleType | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop


async def _serve(path: Path, host: str, port: int) -> None:
    await Server(path, host, port).run()


def main() -> int:
    """Serve until SIGTERM. 3 when the file can't be used or the port is taken."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asked = _parser().parse_args()
    uvloop = _uvloop()
    try:
        (uvloop.run if uvloop is not None else asyncio.run)(_serve(asked.config, asked.host, asked.port))
    except StartError as error:
        LOGGER.critical("not started: %s", error)
        return EXIT_BROKEN
    return 0


if __name__ == "__main__":
    sys.exit(main())
