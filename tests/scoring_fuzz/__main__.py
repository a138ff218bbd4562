"""`python -m tests.scoring_fuzz TARGET [libFuzzer's options] CORPUS...`, by an interpreter that has atheris."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["shared.scoring"]):
    from tests.scoring_fuzz.checks import TARGETS


def main() -> None:
    """Runs until libFuzzer's options end it; a finding is a traceback, exit code 77, and a file crash-*."""
    target = TARGETS[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        if data:
            target(data)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


main()
