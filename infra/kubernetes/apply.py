"""What the new cluster of `azd up` needs beside infra/bicep: namespace.yaml, filled in and applied by `az`, which has
the cluster run kubectl, so that nobody needs a way to it, nor kubectl.

It does nothing without a new cluster. Where it may not, it says what to do, and `azd up` goes on: without it endpoints
and jobs are refused by the cluster, and nothing else is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

MANIFEST = Path(__file__).with_name("namespace.yaml")
EXAMPLE_DOMAIN = "models.example.com"
NEEDED = {"PRINCIPAL_ID": "SLIPWAY_CONTROL_PLANE_PRINCIPAL_ID", "JOBS_CLIENT_ID": "SLIPWAY_JOBS_CLIENT_ID"}


def manifest(environ: Mapping[str, str]) -> str:
    """The documents as they are applied. The gateway is among them where there is a domain. Raises KeyError for an
    output of the deployment that is missing."""
    text = MANIFEST.read_text()
    documents = text.split("\n---\n")
    if domain := environ.get("SLIPWAY_ENDPOINT_DOMAIN"):
        documents = [each.replace(EXAMPLE_DOMAIN, domain) for each in documents]
    else:
        documents = [each for each in documents if "\nkind: Gateway\n" not in f"\n{each}\n"]
    found = "\n---\n".join(documents)
    for place, name in NEEDED.items():
        found = found.replace(place, environ[name])
    return found


def apply(environ: Mapping[str, str]) -> int:
    """The exit code of kubectl; 1 where the cluster was not reached."""
    parts = environ["SLIPWAY_CLUSTER_ID"].split("/")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MANIFEST.name
        path.write_text(manifest(environ))
        command = ("az", "aks", "command", "invoke", "--subscription", parts[2], "--resource-group", parts[4])
        command += ("--name", parts[-1], "--command", f"kubectl apply -f {MANIFEST.name}", "--file", str(path))
        command += ("--query", "exitCode", "--output", "tsv")
        program = shutil.which("az") or "az"
        try:
            done = subprocess.run([program, *command[1:]], stdout=subprocess.PIPE, text=True, check=False)
        except OSError as error:
            print(f"az: {error.strerror}")
            return 1
    return done.returncode or int(done.stdout.strip() or 1)


def main() -> None:
    """Apply it where there is a new cluster."""
    if os.environ.get("SLIPWAY_CLUSTER") != "new":
        return
    if apply(os.environ) != 0:
        print(
            "infra/kubernetes/namespace.yaml could not be applied: until then the cluster refuses endpoints and jobs. "
            "The Entra group of SLIPWAY_CLUSTER_ADMIN_GROUP may: sign `az` in as one of its members and run "
            "`azd hooks run postprovision`, or apply it as its head says.",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
