"""What `make demo` and `slipway up` install is enough for what they run."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What runs in environments of its own, or needs an extra that it names when it is not there.
ELSEWHERE = (
    *("scoring", "optimization/workers"),
    *("adapters/kubernetes", "adapters/open_telemetry.py", "adapters/sources/s3.py"),
)
OWN = {"shared", "functions", "function_app"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_every_package_that_is_imported_is_installed_with_the_command() -> None:
    lock = (ROOT / "requirements-local.txt").read_text()
    locked = {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    providers = packages_distributions()
    lacking = set()
    for path in sorted((ROOT / "shared").rglob("*.py")):
        place = path.relative_to(ROOT / "shared").as_posix()
        for name in set() if place.startswith(ELSEWHERE) else set(imported(path)) - set(sys.stdlib_module_names) - OWN:
            if not {each.lower().replace("_", "-") for each in providers.get(name, [name])} & locked:
                lacking.add(f"{place}: {name}")
    assert lacking == set()
