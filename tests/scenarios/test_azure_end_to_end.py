"""The function app with the settings of Azure does what it does on one machine: upload, registration, profiles,
package, deployment, drift alert, with faults of every service at a stated rate."""

from __future__ import annotations

import json
import os
import ssl
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.azurite import ensure_azurite
from tests.doubles.faults import Rates
from tests.doubles.tokens import AKS
from tests.scenarios.azure_fleet import COSMOS, EVENT_GRID, STORAGE, AzureFleet, azure_fleet
from tests.scenarios.azure_journey import (
    collect,
    declare,
    deployed,
    doubled,
    ended,
    optimized,
    posted,
    profiled,
    upload_and_register,
)
from tests.scenarios.azure_load import persistently
from tests.scenarios.local_host import wait_until
from tests.scenarios.receiver import Receiver, receiving
from tests.scenarios.rest import get, listed
from tests.scenarios.test_azure_instances import QUICK, secrets_of
from tests.scenarios.test_instances import seed_of_this_run

AZURE_ML = "Microsoft.MachineLearningServices."
FEW = Rates(reset_before=0.004, reset_after=0.004, server_error=0.004, throttled=0.004, precondition=0.004)
MANY = Rates(reset_before=0.02, reset_after=0.02, hang=0.01, server_error=0.02, throttled=0.02, precondition=0.02)
PLANTED = {"SLIPWAY_GIT_TOKEN_MAIN": f"planted-token-{'x' * 20}"}
SERVER = "onnxruntime, numpy, httptools, orjson, uvloop"
# Each once: of the model, of the data, of the deployment.
ONCE = (f"{AZURE_ML}ModelRegistered", f"{AZURE_ML}ModelDeployed", "Slipway.DataProfiled", "Slipway.ImagePackaged")


async def journey(
    azure: AzureFleet, http: aiohttp.ClientSession, *, packages: str = "alpha", with_profile: bool = False
) -> list[dict[str, Any]]:
    """All of it; the runs of the monitor come out."""
    await upload_and_register(azure, http)
    await declare(http, packages)
    if with_profile:
        profile = await profiled(http)
        assert profile["state"] == "Succeeded", profile
        assert profile["result"]["recommendedCpu"] is not None, profile
        assert [each["target"] for each in profile["result"]["prices"]] == ["our own node"]
        optimization = await optimized(http)
        assert optimization["phase"] == "Succeeded", optimization
        assert "no sockets" in optimization["result"]["proof"]["protections"]
    under_way = {"Pending", "Profiling"}
    data = await ended(lambda: get(http, "/api/data/baseline/versions/1"), "the data are profiled", under_way=under_way)
    assert (data["phase"], data["rows"]) == ("Profiled", 120), data
    await collect(azure, await deployed(azure, http), shift=40.0)
    asked = await persistently(lambda: posted(http, "/api/monitors/watch/run", {}, 202))
    path = f"/api/monitor-runs/{asked['monitor_run_id']}"
    found = await ended(lambda: get(http, path), "the monitor has run", under_way={"Pending", "Running"})
    assert (found["run"]["phase"], found["run"]["verdict"]) == ("Succeeded", "Breached"), found
    assert found["result"]["signals"][0]["counts"]["rows"] == 120
    # An answer that was lost made the client ask twice: then there is another run, which is nobody's double.
    return await persistently(lambda: listed(http, "/api/monitor-runs"))


async def check_events(receiver: Receiver, runs: Collection[dict[str, Any]]) -> None:
    """What happened was announced, and under one id."""

    def drifts() -> set[str]:
        wanted = f"{AZURE_ML}DatasetDriftDetected"
        return {each["data"]["runId"] for each in receiver.accepted if each["eventType"] == wanted}

    run_ids = {run["monitor_run_id"] for run in runs}
    await wait_until(lambda: drifts() == run_ids, 120, "the drift is announced", poll_s=0.25)
    await wait_until(
        lambda: {*ONCE} <= {each["eventType"] for each in receiver.accepted}, 120, "all is announced", poll_s=0.25
    )
    ids = {(each["eventType"], each["id"]) for each in receiver.accepted}
    counts = Counter(type_ for type_, _ in ids)
    assert {type_: counts[type_] for type_ in (*ONCE, f"{AZURE_ML}DatasetDriftDetected")} == {
        **dict.fromkeys(ONCE, 1),
        f"{AZURE_ML}DatasetDriftDetected": len(runs),
    }
    assert doubled(receiver.accepted) == {}


def check_tokens(azure: AzureFleet) -> None:
    """Each for its service, the control plane's and the jobs'; and nobody asked for another."""
    assert set(azure.tokens.asked) == {COSMOS, STORAGE, EVENT_GRID, azure.platform.resource, AKS}
    assert set(azure.tokens.asked_by_pods) == {STORAGE}
    assert azure.tokens.refused == []


def check_secrets(azure: AzureFleet, receiver: Receiver) -> None:
    """None is in what was logged, announced, kept, or applied to the cluster."""
    secrets = secrets_of(azure) | set(PLANTED.values()) | {azure.tokens.pods_token}
    said = {path.name: path.read_text(errors="replace") for path in azure.fleet.logs}
    said |= {"events": json.dumps(receiver.accepted)}
    said |= {"documents": json.dumps(azure.cosmos.container("slipway", "resources").documents(None))}
    cluster = [one.document() for one in azure.platform.kubernetes.cluster.objects.values()]
    said |= {"cluster": json.dumps(cluster), "jobs": "\n".join(azure.job_logs())}
    assert "1 files of " in said["jobs"]
    found = {(where, secret[:12]) for where, text in said.items() for secret in secrets if secret in text}
    assert found == set()


async def test_the_whole_way_of_a_model_with_faults(tmp_path: Path) -> None:
    """Of all requests to Blob Storage, queues, Cosmos DB, Event Grid, Resource Manager, the cluster and Microsoft Entra
    ID, 2 % meet a fault (FEW)."""
    ensure_azurite()
    settings = {**QUICK, **PLANTED, "SLIPWAY_RETRY_BASE_S": "0.2"}
    async with azure_fleet(tmp_path, seed_of_this_run(), FEW, **settings) as azure, receiving() as receiver:
        await azure.fleet.start("one")
        await azure.subscribe("all", receiver.url)
        async with azure.fleet.client() as http:
            runs = await journey(azure, http)
        await check_events(receiver, runs)
        check_tokens(azure)
        check_secrets(azure, receiver)
        print(azure.met())


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_the_whole_way_of_a_model_and_its_profile_with_many_faults(tmp_path: Path) -> None:
    """Two instances, and 11 % of all requests meet a fault (MANY). The packages are those of the scoring server, from
    what this machine takes packages from; a job makes the environment of them and measures the server in it. Another
    optimises the model: both run its code without the identity."""
    settings = {**QUICK, **PLANTED, "SLIPWAY_PACKAGE_INDEX_URL": "", "SLIPWAY_JOB_CPU": "2"}
    settings["SLIPWAY_PROFILE_PRICES"] = str(write_prices(tmp_path / "prices.json"))
    async with azure_fleet(tmp_path, seed_of_this_run(), MANY, **settings) as azure, receiving() as receiver:
        trust_others(azure, tmp_path)
        await azure.fleet.start("one", "two")
        await azure.subscribe("all", receiver.url)
        async with azure.fleet.client() as http:
            runs = await journey(azure, http, packages=SERVER, with_profile=True)
        await check_events(receiver, runs)
        profiled = {each["id"] for each in receiver.accepted if each["eventType"] == "Slipway.ModelProfiled"}
        assert len(profiled) == 1
        check_tokens(azure)
        check_secrets(azure, receiver)
        print(azure.met())
        assert len(azure.met()) > 20, "the faults came"
        jobs = azure.platform.kubernetes.jobs
        assert jobs is not None
        others = [given for name, given in jobs.given.items() if name.endswith(".run")]
        assert len(others) >= 2  # of the profile, and of the optimisation
        assert not [name for given in others for name in given if name.startswith("AZURE_")]


def write_prices(path: Path) -> Path:
    """A table of the installation's own."""
    node = {"kind": "share", "name": "our own node", "perHour": 0.2, "cpu": 64, "memoryGb": 256}
    table = {"source": "our agreement", "currency": "EUR", "hoursPerMonth": 730, "targets": [node]}
    path.write_text(json.dumps(table))
    return path


def trust_others(azure: AzureFleet, folder: Path) -> None:
    """Instances and jobs trust, beside the doubles, whom this machine does: packages come from elsewhere."""
    known = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    bundle = folder / "trusted.pem"
    others = Path(known).read_text() if known else ""
    bundle.write_text(others + azure.proxies["blob"].tls.certificate.read_text())
    azure.fleet.environ = {**azure.fleet.environ, "SSL_CERT_FILE": str(bundle)}
    jobs = azure.platform.kubernetes.jobs
    assert jobs is not None
    jobs.image_environ["SSL_CERT_FILE"] = str(bundle)
