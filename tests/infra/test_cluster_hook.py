"""The hook of `azd up` that gives a new cluster what it needs beside infra/bicep."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep_files import BICEP, ROOT

SCRIPT = ROOT / "infra" / "kubernetes" / "apply.py"
PROGRAM = """#!/bin/sh
echo "$*" > "$CALLS"
while [ $# -gt 0 ]; do [ "$1" = --file ] && cp "$2" "$CALLS.yaml"; shift; done
printf '%s' "$PRINTED"
"""
ENVIRON = {
    "SLIPWAY_CLUSTER": "new",
    "SLIPWAY_CLUSTER_ID": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks",
    "SLIPWAY_CONTROL_PLANE_PRINCIPAL_ID": "principal",
    "SLIPWAY_JOBS_CLIENT_ID": "client",
}


def ran(folder: Path, *, printed: str = "0", **environ: str) -> tuple[list[str], list[dict[str, Any]], str]:
    """What `az` was called with, what was applied, and what people were told."""
    (folder / "az").write_text(PROGRAM)
    (folder / "az").chmod(0o755)
    calls = folder / "calls"
    given = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "PRINTED": printed, **environ}
    done = subprocess.run([sys.executable, str(SCRIPT)], env=given, check=True, capture_output=True, text=True)
    if not calls.exists():
        return [], [], done.stderr
    return shlex.split(calls.read_text()), list(yaml.safe_load_all((folder / "calls.yaml").read_text())), done.stderr


def test_a_new_cluster_gets_its_namespace_with_who_acts_there(tmp_path: Path) -> None:
    said, applied, told = ran(tmp_path, SLIPWAY_ENDPOINT_DOMAIN="models.contoso.com", **ENVIRON)
    assert said[:9] == ["aks", "command", "invoke", "--subscription", "s", "--resource-group", "g", "--name", "aks"]
    found = {each["kind"]: each for each in applied}
    assert found["RoleBinding"]["subjects"][0]["name"] == "principal"
    annotations = found["ServiceAccount"]["metadata"]["annotations"]
    assert annotations == {"azure.workload.identity/client-id": "client"}
    assert found["Gateway"]["spec"]["listeners"][0]["hostname"] == "*.models.contoso.com"
    assert "NetworkPolicy" in found
    assert told == ""


def test_without_a_domain_there_is_no_gateway_and_what_fails_does_not_end_azd_up(tmp_path: Path) -> None:
    _, applied, told = ran(tmp_path, printed="1", **ENVIRON)
    kinds = [each["kind"] for each in applied]
    assert "Gateway" not in kinds
    assert {"Role", "ServiceAccount"} <= set(kinds)
    assert "azd hooks run postprovision" in told


@pytest.mark.parametrize("cluster", ["", "none", "existing"])
def test_no_other_cluster_is_touched(tmp_path: Path, cluster: str) -> None:
    assert ran(tmp_path, **{**ENVIRON, "SLIPWAY_CLUSTER": cluster}) == ([], [], "")


def test_azd_runs_it_after_it_provisioned_and_passes_what_it_reads() -> None:
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
    assert all("infra/kubernetes/apply.py" in each["run"] for each in hooks["postprovision"].values())
    main = (BICEP / "main.bicep").read_text()
    outputs = [name for name in ENVIRON if name != "SLIPWAY_CLUSTER"]
    assert [name for name in outputs if f"output {name} string" not in main] == []
    parameters = json.loads((BICEP / "main.parameters.json").read_text())["parameters"]
    assert parameters["endpointDomain"]["value"] == "${SLIPWAY_ENDPOINT_DOMAIN=}"
    assert parameters["clusterAdminGroupIds"]["value"] == ["${SLIPWAY_CLUSTER_ADMIN_GROUP=}"]
