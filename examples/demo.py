"""The story of Slipway in a minute or two: `make demo`, or `python examples/demo.py [--url URL]`.

Starts Slipway on this machine, with a fresh data folder that is removed at the end, and takes a real model through it.
With --url or SLIPWAY_URL it uses a Slipway that is running, also one on Azure. SLIPWAY_KEY is a function key of it;
with SLIPWAY_SCOPE a token of Microsoft Entra ID is asked for. What needs its files, or a way from it to this machine,
is left out then. Exit code 0 when all was as it should be, 1 with a word on what was not.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from demo_deploy import deploy, roll_out, take_away
from demo_steps import Demo, Wrong, say, started_slipway
from webhook_receiver import Receiver


def main() -> int:
    """Tell the story; the exit code."""
    parser = argparse.ArgumentParser(description="Takes a real model through Slipway.")
    parser.add_argument("--url", default=os.environ.get("SLIPWAY_URL"), help="a Slipway that is running [starts one]")
    url = parser.parse_args().url
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    try:
        with tempfile.TemporaryDirectory(prefix="slipway-demo-") as folder, server(url, Path(folder)) as demo:
            count, here = tell(demo), demo.on_this_machine
        if not url:
            say("\nCtrl-C: Slipway stopped cleanly, its data folder is removed")
    except (Wrong, httpx.HTTPError, OSError, subprocess.SubprocessError) as error:
        say(f"\nFAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nFAILED: interrupted")
        return 1
    took_s = time.monotonic() - started
    done = "registered, announced and verified, the last one rolled out" if here else "registered and verified"
    say(f"\nOK: {count} versions {done}, in {took_s:.0f} s")
    return 0


@contextmanager
def server(url: str | None, folder: Path) -> Iterator[Demo]:
    """The demo on the Slipway at `url`, or on one that runs in the folder meanwhile."""
    if url:
        running = local_data_dir(url)
        name = f"diabetes-demo-{int(time.time())}"  # a name of its own, so that its versions start at 1
        yield Demo(url.rstrip("/"), function_key(running), running, name, folder)
        return
    data_dir = folder / "data"
    say("1. Start Slipway on this machine:  slipway up")
    with started_slipway(data_dir) as local:
        yield Demo(local, function_key(data_dir, environment=False), data_dir, "diabetes", folder)


def local_data_dir(url: str) -> Path | None:
    """The data folder of the Slipway at `url` when it is on this machine; else None."""
    data_dir = Path(os.environ.get("SLIPWAY_DATA_DIR", ".slipway"))
    announced = data_dir / "endpoint.json"
    mine = announced.exists() and json.loads(announced.read_text())["url"] == url.rstrip("/")
    return data_dir.absolute() if mine else None


def function_key(data_dir: Path | None, *, environment: bool = True) -> str:
    """SLIPWAY_KEY, else the key of the installation in the folder, else ""."""
    if environment and os.environ.get("SLIPWAY_KEY"):
        return os.environ["SLIPWAY_KEY"]
    file = data_dir / "secrets.json" if data_dir else None
    return str(json.loads(file.read_text())["host_keys"]["default"]) if file and file.exists() else ""


def tell(demo: Demo) -> int:
    """The story; how many versions there are at its end. Raises Wrong when something is not as it should be."""
    health = demo.request("GET", "health").json()
    say(f"   Slipway {health['version']} at {demo.url}: {health['status']}")
    with Receiver() as receiver:
        if demo.on_this_machine:
            say("\n2. Subscribe a webhook to ModelRegistered events:  PUT /api/subscriptions/...")
            demo.subscribe(receiver)
        count = upload_in_all_ways(demo)
        say("\n6. What is registered now")
        say(demo.cli("model", "list", demo.name))
        say(demo.cli("model", "show", f"{demo.name}:1"))
        say("7. Download version 1 and prove its SHA-256")
        demo.prove_download()
        if demo.on_this_machine:
            say("\n8. The events that arrived at the webhook")
            demo.show_events(receiver, count)
            demo.unsubscribe()
    if demo.on_this_machine:
        serve(demo, count)
    return count


def serve(demo: Demo, newest: int) -> None:
    """Deploy version 1, and bring the newest one in while requests come. Raises Wrong when a request fails."""
    name = f"live-{demo.name}"
    say("\n9. Declare an endpoint that serves version 1, and ask it")
    address = deploy(demo, name)
    say(f"\n10. Roll version {newest} out under load: a tenth of the traffic, a half, then all of it")
    roll_out(demo, name, address, newest)
    take_away(demo, name)


def upload_in_all_ways(demo: Demo) -> int:
    """Upload the model by file drop (where its files are in reach), REST and CLI; how many versions that made."""
    count = 0
    if demo.data_dir is not None:
        say("\n3. Upload the model by dropping files into the upload container")
        demo.drop_files(demo.data_dir)
        demo.expect_versions(count := count + 1)
    say("\n4. Upload it by REST")
    demo.send_by_rest()
    demo.expect_versions(count := count + 1)
    say("\n5. Upload it by the command")
    say("   " + demo.cli("model", "push", demo.own_copy().name).strip())
    demo.expect_versions(count := count + 1)
    return count


if __name__ == "__main__":
    sys.exit(main())
