"""Validating declared files: 1,000 mixed files with one cold command, and the corpus against azure-ai-ml's loaders.

azure-ai-ml is no dependency: this makes an environment of its own for it, build/benchmarks/azure-ai-ml, the first time.
"""

from __future__ import annotations

import csv
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from shared.declarations.load import Loader
from shared.declarations.trees import DiskTree
from shared.errors import Fault, SlipwayError
from shared.resources.forms import FORMS
from tests.benchmarks.report import BUILD, ROOT, Result, Table, clean_environment, spread

FILES = 1000
GOAL_S, GOAL_TIMES = 3, 20
NODES = 6  # of each pipeline
CORPUS = ROOT.parent / "shared" / "corpus"
REFERENCE = "azure-ai-ml==1.35.2"
LOADERS = {
    "commandComponent": "component",
    "pipelineComponent": "component",
    "commandJob": "job",
    "pipelineJob": "job",
    "sweepJob": "job",
    "managedOnlineEndpoint": "online_endpoint",
    "managedOnlineDeployment": "online_deployment",
    "kubernetesOnlineDeployment": "online_deployment",
    "batchEndpoint": "batch_endpoint",
    "modelBatchDeployment": "model_batch_deployment",
    "pipelineComponentBatchDeployment": "pipeline_component_batch_deployment",
    "batchDeployment": "batch_deployment",
    "monitor": "schedule",
    "ModelVersionPackage": "model_package",
}


async def measure(quick: bool) -> Result:
    """The cold command, then both loaders in turn."""
    BUILD.mkdir(parents=True, exist_ok=True)
    rounds = 2 if quick else 7
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="validation-") as folder:
        made = Path(folder) / "declared"
        size = _make(made, 100 if quick else FILES)
        cold = [_validate(made) for _ in range(rounds + 1)][1:]  # the first fills the page cache
        compared = _compare(Path(folder), 1 if quick else 3) if CORPUS.exists() else {}
    tables = [_cold_table(cold, size)]
    if compared:
        tables.append(_compared_table(compared))
    return Result("validation", tables, {"cold_s": cold, "compared": compared})


def _make(folder: Path, count: int) -> dict[str, int]:
    """Write `count` files of all forms in turn, and the files they name; what they are."""
    folder.mkdir(parents=True)
    for name, text in {"conda.yml": "dependencies: [python=3.11, {pip: [scikit-learn==1.5.0]}]\n"}.items():
        (folder / name).write_text(text)
    for name in ("model.onnx", "patients.csv", "src/train.py", "src/score.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    forms = [form for form in FORMS.values() if form.kind]
    size_bytes = 0
    for index in range(count):
        form = forms[index % len(forms)]
        document = _document(form.name, index)
        text = yaml.safe_dump(document, sort_keys=False)
        (folder / f"{index:04}-{form.name}.yml").write_text(text)
        size_bytes += len(text)
    _write_named(folder)
    return {"files": count, "forms": len(forms), "size_bytes": size_bytes}


def _document(form: str, index: int) -> dict[str, Any]:
    schema: Any = FORMS[form].shape.model_config["json_schema_extra"]
    document = {"$schema": f"https://azuremlschemas.azureedge.net/latest/{form}.schema.json", **schema["examples"][0]}
    document["tags"] = {"index": index, "team": "benchmark"}
    if form in ("pipelineJob", "pipelineComponent"):
        first = next(iter(document["jobs"].values()))
        document["jobs"] = {f"step_{n}": {**first, "compute": "azureml:cpu"} for n in range(NODES)}
    return document


def _write_named(folder: Path) -> None:
    """The component and the job that the examples name."""
    component = {**_document("commandComponent", 0), "name": "train"}
    (folder / "train.yml").write_text(yaml.safe_dump(component))
    (folder / "pipeline.yml").write_text(yaml.safe_dump(_document("pipelineJob", 0)))


def _validate(folder: Path) -> float:
    """Seconds of `slipway validate FOLDER`, from the start of the process to its end."""
    command = [sys.executable, "-m", "shared.cli.main", "validate", str(folder)]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stdout[:2000] + done.stderr[:2000]
    return took


def _compare(folder: Path, rounds: int) -> dict[str, Any]:
    """Both loaders over the files of the corpus that both load, in turn."""
    python, examples = _reference_python(), _completed(folder / "examples")
    files, listing = _listing(), folder / "files.json"
    listing.write_text(json.dumps(files))
    both = set(_run(python, "reference_loader", listing, examples)["loaded"])
    both &= set(_run(Path(sys.executable), "slipway_loader", listing, examples)["loaded"])
    listing.write_text(json.dumps([each for each in files if each[0] in both]))
    runs: dict[str, list[dict[str, Any]]] = {"azure-ai-ml": [], "Slipway": []}
    for _ in range(rounds):
        runs["azure-ai-ml"].append(_run(python, "reference_loader", listing, examples))
        runs["Slipway"].append(_run(Path(sys.executable), "slipway_loader", listing, examples))
    return {"files": len(both), "of": len(files), "runs": runs}


def _completed(copy: Path) -> Path:
    """A copy of the corpus with an empty folder, or a file, at each local path that its files name and it lacks."""
    shutil.copytree(CORPUS / "azureml-examples", copy)
    for path, _, names in _listing():
        text = (copy / path).read_text()
        try:
            Loader(DiskTree(copy)).load_text(text, path, overrides=names)
        except SlipwayError as error:
            for fault in error.faults:
                _put(copy, fault)
    return copy


def _put(copy: Path, fault: Fault) -> None:
    """What one fault misses, if it is a path: a conda file, a data file, or a folder; no declared file."""
    key = fault.pointer.rpartition("/")[2]
    if not fault.message.endswith("does not exist") or fault.file is None or key in ("component", "create_job", "job"):
        return
    missing = (copy / fault.file).parent / fault.message[1:].rpartition("'")[0]
    if key == "conda_file":
        missing.parent.mkdir(parents=True, exist_ok=True)
        missing.write_text("dependencies: [python=3.11]\n")
    elif missing.suffix and key != "code":
        missing.parent.mkdir(parents=True, exist_ok=True)
        missing.touch()
    else:
        missing.mkdir(parents=True, exist_ok=True)


def _reference_python() -> Path:
    """The Python of azure-ai-ml's environment, which is made when it is not there."""
    home = BUILD / "azure-ai-ml"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", str(python), REFERENCE, "marshmallow<4"], check=True
        )
        (home / "ready").touch()
    return python


def _listing() -> list[list[Any]]:
    """Path, loader and names given, of the declared files of the corpus."""
    found: dict[str, list[Any]] = {}
    with (CORPUS / "outcomes.csv").open() as file:
        for row in csv.DictReader(file):
            if row["kind"] == "~conda":
                continue
            raw = yaml.safe_load((CORPUS / "azureml-examples" / row["path"]).read_text())
            names = {}
            if row["reference_loader_with_names_given"]:
                names = {"name": "given"} | (
                    {} if row["kind"] == "managedOnlineEndpoint" else {"endpoint_name": "given"}
                )
            loader = LOADERS.get(row["kind"], row["kind"])
            if row["kind"] == "batchDeployment" and raw.get("type") == "model":
                loader, names = "model_batch_deployment", names | {"compute": "azureml:given"}
            found[row["path"]] = [row["path"], loader, names]
    return list(found.values())


def _run(python: Path, script: str, listing: Path, examples: Path) -> dict[str, Any]:
    path = Path(__file__).with_name(f"{script}.py")
    environment = clean_environment() | {"PYTHONPATH": str(ROOT), "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED": "false"}
    command = [str(python), str(path), str(listing), str(examples)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cold_table(cold: list[float], size: dict[str, int]) -> Table:
    size_mb = size["size_bytes"] / 1e6
    what = f"`slipway validate FOLDER`, {size['files']:,} files of {size['forms']} forms, {size_mb:.1f} MB"
    rows = [(what, spread(cold, ".2f"))]
    return Table("Whole process, s: median (range)", ("what", "s"), rows, f"Goal: under {GOAL_S} s, import included.")


def _compared_table(compared: dict[str, Any]) -> Table:
    runs: dict[str, list[dict[str, Any]]] = compared["runs"]
    columns = ("import_s", "first_s", "again_s")
    rows = [(name, *(spread([run[key] for run in found], ".2f") for key in columns)) for name, found in runs.items()]
    times = {key: _times([key], runs) for key in columns}
    note = (
        f"The {compared['files']} of {compared['of']} declared files that both load, names given where needed; first "
        f"and again are two passes of one process. From the start of the import to the end of the first pass Slipway "
        f"is {_times(['import_s', 'first_s'], runs):.1f} times as fast, in the first pass alone "
        f"{times['first_s']:.1f} times, in the second {times['again_s']:.0f} times. Goal: at least {GOAL_TIMES}."
    )
    return Table("The corpus, s: median (range)", ("loader", "import", "first", "again"), rows, note)


def _times(keys: list[str], runs: dict[str, list[dict[str, Any]]]) -> float:
    """How many times longer the reference takes, by medians."""
    took = {name: statistics.median(sum(run[key] for key in keys) for run in found) for name, found in runs.items()}
    return took["azure-ai-ml"] / took["Slipway"]
