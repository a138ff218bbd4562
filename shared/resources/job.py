"""Jobs: what a command job's and a sweep job's file may say. Pipeline jobs are in pipeline.py."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from shared.resources.component import ParallelSettings, ParallelTask
from shared.resources.environment import EnvironmentField
from shared.resources.execution import Identity, JobService, Limits, RunSettings
from shared.resources.paths_in_files import Compute
from shared.resources.ports import JobInputs, JobOutputs
from shared.resources.shapes import AnyCase, BoundText, EnvironmentVariables, Shape, TextMap, may, must, some
from shared.resources.sweep import SweepSettings

KIND = "job"
JobName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-_\.]{0,254}$")]


class JobFacts(Shape):
    """What every job has."""

    dump_only: ClassVar[frozenset[str]] = frozenset({"id", "creation_context", "status", "log_files", "parameters"})

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    name: JobName | None = may("name of the run; left out, Slipway makes one")
    display_name: str | None = may("name for people")
    experiment_name: str | None = may("runs are grouped by it; left out, the folder's name", min_length=1)
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: TextMap = some("facts that never change")
    compute: Compute | None = may("where it runs: azureml:NAME, NAME, or local")
    identity: Identity | None = may("as whom it runs")
    services: dict[str, JobService] = some("applications that run beside it")
    inputs: JobInputs = some("values and data, by name")
    outputs: JobOutputs = some("what it writes, by name")


class CommandJob(JobFacts, RunSettings):
    """A command job's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Command job",
        json_schema_extra={
            "examples": [
                {
                    "command": "python train.py --rate ${{inputs.rate}}",
                    "code": "./src",
                    "environment": {"image": "python:3.11-slim", "conda_file": "conda.yml"},
                    "inputs": {"rate": 0.1},
                    "compute": "azureml:cpu-cluster",
                }
            ]
        },
    )

    type: Annotated[Literal["command"], AnyCase()] = may("command", "command")
    command: BoundText = must("command line; ${{inputs.x}} stands for a value", min_length=1)
    environment: EnvironmentField = must("environment it runs in, by reference or declared here")
    environment_variables: EnvironmentVariables = some("variables of the process")
    limits: Limits | None = may("when it is stopped")
    parent_job_name: str | None = may("the job that started it")


class Trial(RunSettings):
    """The command that a sweep runs again and again."""

    command: BoundText = must("command line; ${{search_space.x}} stands for a value of the space")
    environment: EnvironmentField = must("environment it runs in")
    environment_variables: EnvironmentVariables = some("variables of the process")


class SweepJob(JobFacts, SweepSettings):
    """A sweep job's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Sweep job",
        json_schema_extra={
            "examples": [
                {
                    "type": "sweep",
                    "trial": {"command": "python train.py ${{search_space.rate}}", "environment": "azureml:sklearn:1"},
                    "sampling_algorithm": "random",
                    "search_space": {"rate": {"type": "uniform", "min_value": 0.01, "max_value": 0.9}},
                    "objective": {"goal": "maximize", "primary_metric": "accuracy"},
                    "limits": {"max_total_trials": 20},
                }
            ]
        },
    )

    type: Annotated[Literal["sweep"], AnyCase()] = must("sweep")
    trial: Trial = must("what is run for each point of the space")


class ParallelJob(JobFacts, ParallelSettings):
    """A parallel job's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Parallel job",
        json_schema_extra={
            "examples": [
                {
                    "type": "parallel",
                    "inputs": {"images": {"type": "uri_folder", "path": "azureml:images:1"}},
                    "input_data": "${{inputs.images}}",
                    "mini_batch_size": "10",
                    "task": {"type": "run_function", "entry_script": "score.py", "environment": "azureml:sklearn:1"},
                }
            ]
        },
    )

    type: Annotated[Literal["parallel"], AnyCase()] = must("parallel")
    task: ParallelTask = must("what runs on each mini batch")
