"""`make demo URL=...` on a function app with the settings of Azure, as from another machine: a key and a token."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.azurite import ensure_azurite
from tests.doubles.tokens import TENANT
from tests.scenarios.azure_fleet import azure_fleet
from tests.scenarios.local_host import ROOT
from tests.scenarios.test_azure_instances import QUICK

SCOPE = "https://slipway.example"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_demo_runs_on_a_cloud_url(tmp_path: Path) -> None:
    ensure_azurite()
    async with azure_fleet(tmp_path, 1, **QUICK) as azure:
        await azure.fleet.start("one")
        (tmp_path / "token").write_text(azure.tokens.pods_token)
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environ = {
            **kept,
            # Loopback by a name that is none of this machine's own: nothing is taken for local.
            "SLIPWAY_URL": f"http://127.1:{urlsplit(azure.fleet.front_end.url).port}",
            "SLIPWAY_KEY": azure.fleet.secrets.host_keys["default"],
            "SLIPWAY_SCOPE": f"{SCOPE}/.default",
            "SSL_CERT_FILE": azure.fleet.environ["SSL_CERT_FILE"],
            "REQUESTS_CA_BUNDLE": azure.fleet.environ["SSL_CERT_FILE"],
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": azure.tokens.pods_client_id,
            "AZURE_AUTHORITY_HOST": azure.platform.entra.url,
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "examples" / "demo.py"),
            cwd=tmp_path,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        assert "OK: 2 versions registered" in said
        assert "is the example's own" in said
        assert azure.tokens.asked_by_pods[SCOPE] > 0
        assert azure.tokens.refused == []
