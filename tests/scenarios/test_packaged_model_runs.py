"""A registered model, packaged by the control plane, is started by podman as its image says, and answers."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from shared.resources.sync import Provenance
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, make_plane
from tests.scenarios.local_host import ROOT
from tests.scenarios.test_environments import until_ended
from tests.scenarios.test_image_runs import Podman, podman, root_tar, scratch  # noqa: F401 - fixtures
from tests.scenarios.test_images import packaged

pytestmark = pytest.mark.slow

ROW = {"data": [[0.038, 0.05, 0.061, 0.021, -0.044, -0.034, -0.043, -0.002, 0.019, -0.017]]}
SCRIPT = b"""
import json, os
def init():
    global folder
    folder = os.environ["AZUREML_MODEL_DIR"]
def run(raw):
    return {"rows": json.loads(raw)["data"], "has": sorted(os.listdir(folder)), "uid": os.getuid()}
"""


async def test_a_packaged_model_answers_in_its_container(
    tmp_path: Path,
    root_tar: Path,  # noqa: F811
    podman: Podman,  # noqa: F811
) -> None:
    plane = make_plane(tmp_path / "data", image_base=str(root_tar))
    files = {
        "model.yml": b"name: diabetes\npath: files\n",
        "files/model.onnx": (ROOT / "examples" / "diabetes" / "model.onnx").read_bytes(),
        "files/score.py": SCRIPT,
        "serve.yml": b"name: serve\npip: [onnxruntime, numpy]\n",
    }
    for outcome in await apply_tree(SourceTree(files), None, Provenance(source="x"), plane.deps, CAUSE):
        assert outcome.result != "refused", outcome
    await until_ended(plane, "serve:1")
    plain = await packaged(plane)
    scripted = await packaged(plane, entry_script="files/score.py")
    assert (plain["phase"], scripted["phase"]) == ("Succeeded", "Succeeded"), (plain, scripted)
    assert await asyncio.to_thread(answer_of, podman, plain) == pytest.approx([212.0], abs=60)
    told = await asyncio.to_thread(answer_of, podman, scripted)
    assert told == {"rows": ROW["data"], "has": ["files"], "uid": 65532}


def answer_of(podman: Podman, image: dict[str, Any]) -> Any:  # noqa: F811
    layout = image["location"].rpartition("@")[0].removeprefix("oci:")
    podman("pull", "--quiet", f"--signature-policy={podman.folder}/policy.json", f"oci:{layout}")
    names = json.loads(podman("images", "--format=json"))
    (pulled,) = [one for one in names if one["Digest"] == image["digest"]]
    with podman.running(pulled["Id"], "--env=SERVER_PORT=0") as port:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/score",
            data=json.dumps(ROW).encode(),
            headers={"Content-Type": "application/json"},
        )
        for _ in range(100):
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                if error.code != 503:  # it warms up
                    raise
            time.sleep(0.1)
        raise AssertionError("it never became ready")
