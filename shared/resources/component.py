"""Components: what a `component.yml` may say. Pipeline components are in pipeline.py."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from shared.resources.environment import EnvironmentField
from shared.resources.execution import Resources, RetrySettings, RunSettings
from shared.resources.paths_in_files import CodePath
from shared.resources.ports import ComponentInputs, ComponentOutputs
from shared.resources.shapes import (
    AnyCase,
    BindableInt,
    BoundText,
    EnvironmentVariables,
    Shape,
    TextMap,
    Version,
    may,
    must,
    some,
)

KIND = "component"
NAME = r"^[a-z][a-z0-9_]{0,254}$"  # azure-ai-ml, ComponentNameStr


class ComponentFacts(Shape):
    """What every component has."""

    dump_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "creation_context", "latest_version", "intellectual_property"}
    )

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    version: Version | None = may("its version; left out, the next number")
    display_name: str | None = may("name for people")
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: dict[str, Any] = some("facts that never change")
    is_deterministic: bool = may("whether the same inputs give the same outputs, so that a run may be reused", True)
    inputs: ComponentInputs = some("what it takes, by name")
    outputs: ComponentOutputs = some("what it makes, by name")
    auto_delete_setting: dict[str, Any] | None = may("when Azure ML deletes it")


class CommandComponentFacts(ComponentFacts, RunSettings):
    """A command with inputs and outputs, named or not."""

    type: Annotated[Literal["command"], AnyCase()] = may("command", "command")
    command: BoundText = must("command line; ${{inputs.x}} stands for a value, $[[...]] for an optional part")
    environment: EnvironmentField = must("environment it runs in, by reference or declared here")
    additional_includes: list[str] = Field(default_factory=list, description="more files to bring along with the code")


class CommandComponent(CommandComponentFacts):
    """A command component's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Command component",
        json_schema_extra={
            "examples": [
                {
                    "type": "command",
                    "name": "train",
                    "inputs": {"data": {"type": "uri_folder"}, "rate": {"type": "number", "default": 0.1}},
                    "outputs": {"model": {"type": "mlflow_model"}},
                    "code": "./src",
                    "environment": "azureml:sklearn@latest",
                    "command": "python train.py ${{inputs.data}} ${{inputs.rate}} ${{outputs.model}}",
                }
            ]
        },
    )

    name: str = must("lowercase letters, digits and _, starting with a letter", pattern=NAME)


class InlineCommandComponent(CommandComponentFacts):
    """A command component declared in the node that uses it."""

    name: str | None = may("name for people")


class ParallelTask(Shape):
    """What runs on each mini batch."""

    type: Annotated[Literal["run_function", "model", "function"], AnyCase()] = must("what is run")
    code: CodePath | None = may("folder with the code, relative to this file")
    entry_script: str | None = may("script with init() and run(mini_batch), in the folder")
    program_arguments: BoundText | None = may("arguments of the script")
    append_row_to: BoundText | None = may("output that results are appended to: ${{outputs.x}}")
    model: str | None = may("the model, for type model")
    environment: EnvironmentField = must("environment it runs in")


class ParallelSettings(Shape):
    """How inputs are cut into mini batches and worked off."""

    input_data: BoundText | None = may("input that is cut into mini batches: ${{inputs.x}}")
    mini_batch_size: BoundText | None = may("files, or bytes such as 10kb, of a mini batch; a text")
    partition_keys: list[str] | None = may("keys that mini batches are made by, in place of a size")
    mini_batch_error_threshold: BindableInt | None = may("mini batches that may fail; -1: all")
    error_threshold: BindableInt | None = may("entries that may fail; -1: all")
    max_concurrency_per_instance: BindableInt | None = may("processes on a machine")
    retry_settings: RetrySettings | None = may("what happens to a mini batch that fails")
    logging_level: Annotated[Literal["DEBUG", "INFO", "WARNING"], AnyCase(bindable=True)] | None = may(
        "how much is logged; left out, INFO"
    )
    resources: Resources | None = may("machines it takes")
    environment_variables: EnvironmentVariables = some("variables of the processes")


class ParallelComponentFacts(ComponentFacts, ParallelSettings):
    """A parallel component, named or not."""

    type: Annotated[Literal["parallel"], AnyCase()] = must("parallel")
    task: ParallelTask = must("what runs on each mini batch")


class ParallelComponent(ParallelComponentFacts):
    """A parallel component's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Parallel component",
        json_schema_extra={
            "examples": [
                {
                    "type": "parallel",
                    "name": "score_all",
                    "inputs": {"images": {"type": "uri_folder"}},
                    "outputs": {"scores": {"type": "uri_file"}},
                    "input_data": "${{inputs.images}}",
                    "mini_batch_size": "10",
                    "task": {
                        "type": "run_function",
                        "code": "./src",
                        "entry_script": "score.py",
                        "environment": "azureml:sklearn@latest",
                        "append_row_to": "${{outputs.scores}}",
                    },
                }
            ]
        },
    )

    name: str = must("lowercase letters, digits and _, starting with a letter", pattern=NAME)


class InlineParallelComponent(ParallelComponentFacts):
    """A parallel component declared in the node that uses it."""

    name: str | None = may("name for people")
