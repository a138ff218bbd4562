"""`python -m shared.scoring --model FOLDER_OR_FILE --port N`, or --entry-script PATH; more settings by environment."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from shared.scoring.backend import Backend, load_models, load_script
from shared.scoring.collector.collector import DataCollector
from shared.scoring.collector.payloads import payloads_of
from shared.scoring.collector.plan import plan_of
from shared.scoring.errors import StartError
from shared.scoring.logs import LOGGER, set_up
from shared.scoring.metrics import Metrics
from shared.scoring.scripts.receiver import receiver_of
from shared.scoring.server import Server
from shared.scoring.service import Service
from shared.scoring.settings import Hidden, Settings, from_environment, table
from shared.scoring.tracing import tracer_of

SWITCH_S = (
    0.0005  # that a thread (a script, the collector) may keep the interpreter from the event loop; Python's is 0.005
)
EXIT_BROKEN = 3  # as azureml-inference-server-http, whose gunicorn takes it as "do not start again"


def _parser() -> argparse.ArgumentParser:
    rows = "\n".join(f"  {name} [{default}] {text}" for name, default, text in table())
    parser = argparse.ArgumentParser(
        prog="python -m shared.scoring",
        description="Serves an ONNX model or an Azure ML entry script over HTTP.",
        epilog=f"environment:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, metavar="PATH", help="an .onnx file, or a folder [AZUREML_MODEL_DIR]")
    parser.add_argument("--entry-script", metavar="PATH", help="a script with init() and run() [AZUREML_ENTRY_SCRIPT]")
    parser.add_argument("--collect-to", metavar="FOLDER_OR_URL", help="where inputs and outputs are collected")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--reload", action="store_true", help="load again when the script or the model changes")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one")
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = from_environment(os.environ)
    script = arguments.entry_script
    if (
        script is None
        and arguments.model is None
        and not settings.entry_script
        and (settings.app_root / "main.py").is_file()
    ):
        script = "main.py"  # as azureml-inference-server-http takes it
    if arguments.entry_script is not None and "AML_APP_ROOT" not in os.environ:
        settings = dataclasses.replace(settings, app_root=Path.cwd())
    if arguments.model is not None:
        os.environ["AZUREML_MODEL_DIR"] = str(arguments.model)  # for init()
    asked = {"model_dir": arguments.model, "entry_script": script, "host": arguments.host, "port": arguments.port}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if arguments.collect_to is not None:
        given |= _collect_to(arguments.collect_to)
    return dataclasses.replace(settings, **given)


def _collect_to(text: str) -> dict[str, Any]:
    if "://" not in text:
        return {"collect_dir": Path(text), "collect_url": Hidden("")}
    if "?" in text:
        raise StartError(
            "the arguments of a process can be seen by others: give the SAS in SLIPWAY_SCORING_COLLECT_URL or a file"
        )
    return {"collect_dir": None, "collect_url": Hidden(text)}


def _uvloop() -> ModuleType | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop


async def _serve(settings: Settings, *, reload: bool) -> None:
    metrics = Metrics()
    tracer = tracer_of(os.environ)
    plan = plan_of(settings, os.environ)
    collector = DataCollector(plan, metrics) if plan is not None else None
    service = Service(settings, metrics, tracer, payloads_of(collector) if collector is not None else None)
    receiver = await receiver_of(settings, collector)

    async def load() -> Backend:
        if settings.entry_script:
            return await load_script(settings, metrics, collector)
        if settings.model_dir is None:
            raise StartError("give --model PATH or --entry-script PATH (or AZUREML_MODEL_DIR, AZUREML_ENTRY_SCRIPT)")
        return await load_models(settings.model_dir, settings, metrics, collector)

    try:
        await Server(settings, service, load, _watched(settings) if reload else ()).run()
    finally:
        if receiver is not None:
            await receiver.close()
        if collector is not None:
            collector.close()
        if tracer is not None:
            tracer.close()


def _watched(settings: Settings) -> tuple[Path, ...]:
    script = (settings.app_root / settings.entry_script).parent if settings.entry_script else None
    return tuple(path for path in (script, settings.model_dir) if path is not None)


def main() -> int:
    """Serve until SIGTERM. 3 when the settings, the model or the script are broken."""
    set_up("INFO")
    sys.setswitchinterval(SWITCH_S)
    try:
        arguments = _parser().parse_args()
        settings = _settings(arguments)
        set_up(settings.log_level)
        uvloop = _uvloop()
        if uvloop is not None:
            uvloop.run(_serve(settings, reload=arguments.reload))
        else:
            asyncio.run(_serve(settings, reload=arguments.reload))
    except StartError as error:
        LOGGER.critical("not started: %s", error)
        return EXIT_BROKEN
    return 0


if __name__ == "__main__":
    sys.exit(main())
