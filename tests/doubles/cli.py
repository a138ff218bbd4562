"""Runs the `slipway` command in this process, as a shell would: arguments and environment in, output and code out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from shared.cli.main import slipway
from tests.doubles.rest_api import KEY


@dataclass
class Cli:
    """The command, for one server."""

    url: str
    data_dir: Path

    def __call__(self, *arguments: str, key: str | None = KEY, **environment: str | None) -> Result:
        """The result: exit_code, stdout, stderr. Unexpected exceptions are raised."""
        given = {"SLIPWAY_URL": self.url, "SLIPWAY_KEY": key, "SLIPWAY_DATA_DIR": str(self.data_dir), **environment}
        result = CliRunner().invoke(slipway, arguments, env=given, prog_name="slipway")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result
