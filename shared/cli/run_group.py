"""`slipway run` with all its commands."""

from __future__ import annotations

from shared.cli.run_commands import run
from shared.cli.run_local import local

__all__ = ["run"]

run.add_command(local)
