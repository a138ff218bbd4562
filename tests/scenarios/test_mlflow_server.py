"""The import from a real MLflow server, filled by MLflow's own client; both are from PyPI, in a scratch environment."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.mlflow_peer import VENV, install, mlflow_server
from tests.doubles.cli import Cli
from tests.scenarios.local_host import running
from tests.scenarios.rest import get, versions_of

FILL = """
import json, sys
import mlflow
from mlflow import MlflowClient

url, folder = sys.argv[1:]
mlflow.set_tracking_uri(url)
mlflow.set_experiment("trials")
client = MlflowClient()


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str], params=None) -> list[str]:
        return model_input


with open(f"{folder}/plain.txt", "w") as file:
    file.write("plain" * 1000)
with mlflow.start_run() as run:
    mlflow.pyfunc.log_model(name="model", python_model=Model(), registered_model_name="wine")
    mlflow.log_artifact(f"{folder}/plain.txt", "files/deep")
run_id = run.info.run_id
client.create_model_version("wine", f"runs:/{run_id}/files", run_id, tags={"kind": "plain"}, description="files only")
client.create_model_version("wine", "s3://bucket/wine")
client.set_registered_model_alias("wine", "champion", "2")
client.set_model_version_tag("wine", "1", "owner", "ml-team")
client.transition_model_version_stage("wine", "1", "Production")
versions = {v.version: v for v in client.search_model_versions("name='wine'")}
print(json.dumps({"run_id": run_id, "created": {str(n): v.creation_timestamp for n, v in versions.items()}}))
"""


@pytest.mark.slow
async def test_a_real_mlflow_registry_is_imported(tmp_path: Path) -> None:
    await asyncio.to_thread(install)
    with mlflow_server(tmp_path / "mlflow") as (url, _):
        script = [VENV / "bin" / "python", "-c", FILL, url, str(tmp_path)]
        filled = await asyncio.to_thread(subprocess.run, script, capture_output=True, text=True, timeout=240)
        assert filled.returncode == 0, filled.stderr[-3000:]
        made = json.loads(filled.stdout.splitlines()[-1])
        async with running(tmp_path / "data") as host, host.client() as http:
            cli, key = Cli(host.url, host.data_dir), host.secrets["host_keys"]["default"]
            arguments = ("model", "import", "mlflow", "--tracking-uri", url, "--all", "-o", "json")
            done = await asyncio.to_thread(lambda: cli(*arguments, key=key))
            outcomes = {row["id"]: row["outcome"] for row in json.loads(done.stdout)["items"]}
            assert outcomes == {
                "wine:1": "imported",
                "wine:2": "imported",
                "wine:3": "not imported",
                "wine@champion": "set to 2",
            }, done.output
            assert [v["version"] for v in await versions_of(http, "wine")] == ["2", "1"]
            first = await get(http, "/api/models/wine/versions/1")
            assert (first["type"], first["stage"], first["tags"]["owner"]) == ("mlflow_model", "Production", "ml-team")
            assert (first["run_id"], first["experiment_name"]) == (made["run_id"], "trials")
            assert "python_function" in first["flavors"]
            assert {"MLmodel", "python_model.pkl"} <= {file["path"] for file in first["files"]}
            champion = await get(http, "/api/models/wine/versions/@champion")
            assert (champion["description"], champion["tags"]) == ("files only", {"kind": "plain"})
            assert [(f["path"], f["size_bytes"]) for f in champion["files"]] == [("deep/plain.txt", 5000)]
            out = tmp_path / "out"
            download = ("model", "download", "wine@champion", str(out))
            assert (await asyncio.to_thread(lambda: cli(*download, key=key))).exit_code == 0
            assert (out / "deep" / "plain.txt").read_text() == "plain" * 1000
