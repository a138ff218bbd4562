"""The cluster's client is dear to import: who has computes, but looks at none, does without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CODE = """
import asyncio, json, sys
from pathlib import Path
import function_app
from shared.bootstrap.local import local_control_plane
from shared.settings import Settings
from shared.errors import Invalid
plane = local_control_plane(Settings(data_dir=Path(sys.argv[1]), computes=sys.argv[2]))
def imported():
    return sorted({"lightkube", "httpx2", "shared.adapters.kubernetes.target"} & set(sys.modules))
before = imported()
try:
    asyncio.run(plane.deps.target.observe("live"))
except Invalid:
    pass
print(json.dumps([before, imported()]))
"""


def test_the_client_is_imported_when_a_cluster_is_looked_at_and_not_before(tmp_path: Path) -> None:
    computes = json.dumps([{"name": "k8s", "type": "kubernetes", "kubeconfig": "absent"}])
    command = [sys.executable, "-c", CODE, str(tmp_path / "data"), computes]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        [],
        ["httpx2", "lightkube", "shared.adapters.kubernetes.target"],
    ]
