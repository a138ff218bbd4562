"""What a host that is killed had laid out for a moment: in its own folder, and gone at its next start."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.scenarios.local_host import running, wait_until
from tests.scenarios.rest import drop, versions_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "diabetes" / "model.onnx"
LAID_OUT = "slipway-inspection-*"


async def test_files_that_a_killed_host_was_looking_into_go_at_the_next_start(tmp_path: Path) -> None:
    async with running(tmp_path / "data", SLIPWAY_UPLOAD_SETTLE_S="0.1") as host:
        scratch = host.data_dir / "scratch"
        drop(host.data_dir, "a", {"model.onnx": EXAMPLE.read_bytes(), "model.yml": "name: m\npath: model.onnx\n"})
        await wait_until(lambda: list(scratch.glob(LAID_OUT)), 60, "it looks into the model", poll_s=0.002)
        host.kill()
        (left,) = scratch.glob(LAID_OUT)
        await host.start()
        assert not left.exists()
        async with host.client() as http:
            async with asyncio.timeout(60):
                while not await versions_of(http, "m"):
                    await asyncio.sleep(0.1)
        await wait_until(lambda: not list(scratch.iterdir()), 60, "nothing is left")
        await host.stop()
