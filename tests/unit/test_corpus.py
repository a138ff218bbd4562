"""Real files of azureml-examples against what azure-ai-ml does with them (outcomes.csv beside the corpus)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from shared.declarations import json_schemas
from shared.declarations.load import Declared, Loader
from shared.errors import SlipwayError
from shared.resources.shapes import fold

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
EXAMPLES = CORPUS / "azureml-examples"
DEVIATIONS_HEADING = "### Files of the corpus"

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="no corpus beside the checkout (../shared/corpus)")

FORMS_OF_CLASSES = {
    "Model": {"model"},
    "Environment": {"environment"},
    "Data": {"data"},
    "CommandComponent": {"commandComponent"},
    "PipelineComponent": {"pipelineComponent"},
    "Command": {"commandJob"},
    "PipelineJob": {"pipelineJob"},
    "SweepJob": {"sweepJob"},
    "ManagedOnlineEndpoint": {"managedOnlineEndpoint"},
    "ManagedOnlineDeployment": {"managedOnlineDeployment"},
    "KubernetesOnlineDeployment": {"kubernetesOnlineDeployment"},
    "BatchEndpoint": {"batchEndpoint"},
    "BatchDeployment": {"batchDeployment"},
    "ModelBatchDeployment": {"modelBatchDeployment"},
    "PipelineComponentBatchDeployment": {"pipelineComponentBatchDeployment"},
    "JobSchedule": {"schedule"},
    "MonitorSchedule": {"monitor"},
    "ModelPackage": {"modelPackage"},
}
# What the reference refuses also when names are given, and where Slipway says so.
REFUSED_AT = {
    "cli/jobs/nebulaml/cifar10_deepspeed/job.yml": {"/environment"},
    "cli/jobs/single-step/java/iris/job-template.yml": {"/code"},
    "cli/monitoring/generation-safety-quality-monitoring.yaml": {
        "/create_monitor/monitoring_signals/testSignal/production_data/0/data_window_size",
        "/create_monitor/monitoring_signals/testSignal/production_data/1/data_window_size",
        "/create_monitor/monitoring_signals/testSignal/workspace_connection_id",
    },
}
# What the reference refuses until a name is given, by the key that Slipway must then name.
NAMES = ("name", "endpoint_name", "compute")


def outcomes() -> list[dict[str, str]]:
    if not CORPUS.exists():
        return []
    with (CORPUS / "outcomes.csv").open() as file:
        return list({row["path"]: row for row in csv.DictReader(file)}.values())


class Examples:
    """The examples as if the checkout were whole: the corpus has the declared files, not the code and data."""

    open_ended = False
    absent = frozenset({"cli/jobs/single-step/java/aml-mlfow-java-example"})  # in the real repository neither

    def exists(self, path: str) -> bool:
        return path not in self.absent

    def read_text(self, path: str) -> str:
        return (EXAMPLES / path).read_text()


def given_names(row: dict[str, str]) -> dict[str, str]:
    """What the recheck of the reference loader gave on its command line."""
    note = row["reference_loader_with_names_given"]
    if not note:
        return {}
    raw = yaml.safe_load((EXAMPLES / row["path"]).read_text())
    if row["kind"] == "managedOnlineEndpoint":
        return {"name": "given"}
    names = {"endpoint_name": "given"} | ({} if "name" in raw else {"name": "given"})
    return names | ({"compute": "azureml:given"} if "compute" in note else {})


def load(path: str, overrides: dict[str, str]) -> Declared:
    """Like Loader.load, but what is only missing from the corpus is not held against the file."""
    try:
        return Loader(Examples()).load(path, overrides=overrides)
    except SlipwayError as error:
        left = tuple(fault for fault in error.faults if not _outside_the_corpus(fault.file, fault.message))
        if left:
            error.faults = left
            raise
    return Loader(None).load_text((EXAMPLES / path).read_text(), path, overrides=overrides)


def _outside_the_corpus(file: str | None, message: str) -> bool:
    return message.startswith("cannot be read: No such file") and not (EXAMPLES / str(file)).exists()


def deviations() -> dict[str, str]:
    """File -> pointer, from the table in docs/azure-ml-compatibility.md."""
    text = (ROOT / "docs" / "azure-ml-compatibility.md").read_text()
    _, _, section = text.partition(DEVIATIONS_HEADING)
    lines = section.partition("\n#")[0].splitlines()
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")
    ]
    return {row[0]: row[1] for row in rows}


DEVIATIONS = {
    "cli/jobs/pipelines-with-components/basics/3a_basic_pipeline/pipeline.yml": "/settings/default_datestore",
    "cli/jobs/pipelines-with-components/nyc_taxi_data_regression/env_train.yml": "/version",
}


def test_the_deviations_are_the_documented_ones() -> None:
    assert deviations() == DEVIATIONS


def _loads(row: dict[str, str]) -> str | None:
    """The class the reference makes of it, with names given where it needs them; None when it refuses."""
    for told in (row["reference_loader"], row["reference_loader_with_names_given"]):
        if told.startswith("ok:"):
            return told.removeprefix("ok:").partition(" ")[0]
    return "ModelBatchDeployment" if "load_model_batch_deployment" in row["reference_loader_with_names_given"] else None


DECLARED = [row for row in outcomes() if row["kind"] != "~conda"]
LOADED = [row for row in DECLARED if _loads(row) and row["path"] not in DEVIATIONS]


@pytest.mark.parametrize("row", LOADED, ids=lambda row: row["path"])
def test_what_the_reference_loads_means_the_same(row: dict[str, str]) -> None:
    names = given_names(row)
    found = load(row["path"], names)
    assert found.form.name in FORMS_OF_CLASSES[str(_loads(row))]
    raw = yaml.load((EXAMPLES / row["path"]).read_text(), Loader=yaml.BaseLoader) | names
    kept = found.declaration.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert list(differences(raw, kept)) == []


@pytest.mark.parametrize("row", LOADED, ids=lambda row: row["path"])
def test_what_loads_fits_its_json_schema(row: dict[str, str]) -> None:
    document = load(row["path"], given_names(row))
    schema = schemas()[f"{document.form.name}.schema.json"]
    jsonschema.Draft202012Validator(schema).validate(document.source.value)


@cache
def schemas() -> dict[str, dict[str, Any]]:
    return json_schemas.generate()


def differences(written: Any, kept: Any, at: str = "") -> Any:
    """Places where what was kept is not what was written, but for Azure ML's own freedoms: the case of enums, numbers
    as text, one for a list of one."""
    if isinstance(written, dict) and isinstance(kept, dict):
        for key in written.keys() | kept.keys():
            yield from differences(written.get(key, "absent"), kept.get(key, "absent"), f"{at}/{key}")
    elif isinstance(kept, list):
        written = written if isinstance(written, list) else [written]
        pairs = zip(written, kept, strict=True)
        for index, (one, other) in enumerate(pairs):
            yield from differences(one, other, f"{at}/{index}")
    elif not _same(written, kept):
        yield at, written, kept


def _same(written: Any, kept: Any) -> bool:
    if kept is None:
        return written in ("", "null", "~")
    if isinstance(kept, bool):
        return fold(written) == fold(kept)
    if isinstance(kept, int | float):
        return float(written) == float(kept)
    return fold(written) == fold(kept)


@pytest.mark.parametrize("row", [row for row in DECLARED if not _loads(row)], ids=lambda row: row["path"])
def test_what_the_reference_refuses_is_refused_at_its_place(row: dict[str, str]) -> None:
    with pytest.raises(SlipwayError) as caught:
        load(row["path"], given_names(row))
    assert {fault.pointer for fault in caught.value.faults} == REFUSED_AT[row["path"]]
    assert all(fault.file == row["path"] and fault.line for fault in caught.value.faults)


@pytest.mark.parametrize("row", [row for row in DECLARED if given_names(row)], ids=lambda row: row["path"])
def test_a_name_that_is_not_given_is_missed_by_its_key(row: dict[str, str]) -> None:
    if "BatchDeploymentSchema" in row["error"] and "endpoint_name" not in row["error"]:
        return  # the reference's flat loader only trips over `settings` there
    with pytest.raises(SlipwayError) as caught:
        load(row["path"], {})
    assert {fault.pointer.strip("/") for fault in caught.value.faults} <= set(NAMES)


@pytest.mark.parametrize("path", sorted(DEVIATIONS))
def test_a_deviation_is_refused_at_its_documented_place(path: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        load(path, {})
    assert [fault.pointer for fault in caught.value.faults] == [DEVIATIONS[path]]


@pytest.mark.parametrize("row", [row for row in outcomes() if row["kind"] == "~conda"], ids=lambda row: row["path"])
def test_conda_files_are_read(row: dict[str, str]) -> None:
    assert Loader(Examples()).load(row["path"]).form.name == "condaFile"
