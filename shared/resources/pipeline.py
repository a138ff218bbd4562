"""Pipelines: jobs and components made of nodes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Tag, model_validator

from shared.resources.component import (
    NAME,
    ComponentFacts,
    InlineCommandComponent,
    InlineParallelComponent,
    ParallelSettings,
    ParallelTask,
)
from shared.resources.execution import Identity, JobService, Limits, RunSettings
from shared.resources.job import JobFacts
from shared.resources.paths_in_files import Compute, component_of
from shared.resources.ports import JobInputs, JobOutputs, MapKey
from shared.resources.shapes import (
    AnyCase,
    BindableBool,
    BoundText,
    EnvironmentVariables,
    Shape,
    TextMap,
    by_type,
    is_mapping,
    known_type,
    may,
    must,
    refuse,
    some,
)
from shared.resources.sweep import SweepSettings

_COMMAND_COMPONENTS = ("commandComponent", "parallelComponent", "pipelineComponent")
PipelineComponentText = Annotated[str, AfterValidator(component_of("pipelineComponent", "pipelineJob"))]
CommandComponentField = Annotated[
    Annotated[str, AfterValidator(component_of(*_COMMAND_COMPONENTS)), Tag("<text>")]
    | Annotated[InlineCommandComponent, Tag("<mapping>")],
    Discriminator(is_mapping),
]
ParallelComponentField = Annotated[
    Annotated[str, AfterValidator(component_of("parallelComponent")), Tag("<text>")]
    | Annotated[InlineParallelComponent, Tag("<mapping>")],
    Discriminator(is_mapping),
]


class NodeFacts(Shape):
    """What every node has."""

    name: str | None = may("name for people")
    display_name: str | None = may("name for people")
    description: str | None = may("free text")
    comment: str | None = may("free text")
    tags: TextMap = some("labels of the node's run")
    properties: TextMap = some("facts of the node's run")
    compute: Compute | None = may("where it runs; left out, the pipeline's default")
    identity: Identity | None = may("as whom it runs")
    inputs: JobInputs = some("values, data, and bindings such as ${{parent.inputs.x}}")
    outputs: JobOutputs = some("what it writes, and bindings such as ${{parent.outputs.x}}")


class CommandNode(NodeFacts, RunSettings):
    """A node that runs a command: of a component, or its own."""

    type: Annotated[Literal["command"], AnyCase()] = may("command", "command")
    component: CommandComponentField | None = may("component that is run: a file, a reference, or declared here")
    command: BoundText | None = may("command line, in place of a component")
    environment_variables: EnvironmentVariables = some("variables of the process")
    services: dict[str, JobService] = some("applications that run beside it")
    limits: Limits | None = may("when it is stopped")
    is_deterministic: bool | None = may("whether a run may be reused")

    @model_validator(mode="after")
    def _something_to_run(self) -> CommandNode:
        if self.component is None and self.command is None:
            raise refuse("neither `component` nor `command` is there", "one of component, command")
        if self.component is None and self.environment is None:
            raise refuse("`command` needs `environment`", "environment")
        return self


class TrialComponent(InlineCommandComponent):
    """A command declared in the node that sweeps it."""

    environment_variables: EnvironmentVariables = some("variables of the process")


class SweepNode(NodeFacts, SweepSettings):
    """A node that searches a space."""

    type: Annotated[Literal["sweep"], AnyCase()] = must("sweep")
    trial: Annotated[
        Annotated[str, AfterValidator(component_of("commandComponent")), Tag("<text>")]
        | Annotated[TrialComponent, Tag("<mapping>")],
        Discriminator(is_mapping),
    ] = must("component, or command, that is run for each point")


class ParallelNode(NodeFacts, ParallelSettings):
    """A node that works off mini batches."""

    type: Annotated[Literal["parallel"], AnyCase()] = must("parallel")
    component: ParallelComponentField | None = may("component that is run")
    task: ParallelTask | None = may("what runs on each mini batch, in place of a component")

    @model_validator(mode="after")
    def _something_to_run(self) -> ParallelNode:
        if self.component is None and self.task is None:
            raise refuse("neither `component` nor `task` is there", "one of component, task")
        return self


class PipelineNode(NodeFacts):
    """A node that runs another pipeline."""

    type: Annotated[Literal["pipeline"], AnyCase()] = must("pipeline")
    component: PipelineComponentText = must("pipeline component that is run: a file or a reference")
    settings: PipelineSettings | None = may("settings of the inner pipeline")


FOREIGN_NODES = ("automl", "spark", "import", "data_transfer", "if_else", "do_while", "parallel_for", "finetuning")


class ForeignNode(Shape):
    """A node that Azure ML runs and Slipway does not; it is read, kept as it is, and refused when it is to run."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[
        Literal["automl", "spark", "import", "data_transfer", "if_else", "do_while", "parallel_for", "finetuning"],
        AnyCase(),
    ] = must("which kind of node")


NODE_TYPES = ("command", "sweep", "parallel", "pipeline", *FOREIGN_NODES)
_pick_node = by_type("command", "sweep", "parallel", "pipeline")


def _node(value: Any) -> str:
    picked = _pick_node(value)
    return "<foreign>" if picked == "<unknown>" else picked


Node = Annotated[
    Annotated[CommandNode, Tag("<command>")]
    | Annotated[SweepNode, Tag("<sweep>")]
    | Annotated[ParallelNode, Tag("<parallel>")]
    | Annotated[PipelineNode, Tag("<pipeline>")]
    | Annotated[ForeignNode, Tag("<foreign>")],
    Discriminator(_node),
    known_type(*NODE_TYPES, needed=False),
]


class PipelineSettings(Shape):
    """How the nodes run."""

    default_compute: Compute | None = may("compute of nodes that name none")
    default_datastore: str | None = may("datastore of outputs that name none")
    default_component: str | None = may("not used")
    continue_on_step_failure: BindableBool | None = may("whether other nodes go on when one fails")
    continue_run_on_failed_optional_input: BindableBool | None = may("whether a failed optional input is left out")
    force_rerun: BindableBool | None = may("whether nothing is reused")
    ssh: Any = may("not used")


Nodes = dict[MapKey, Node]


class PipelineJob(JobFacts):
    """A pipeline job's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Pipeline job",
        json_schema_extra={
            "examples": [
                {
                    "type": "pipeline",
                    "inputs": {"rate": 0.1},
                    "settings": {"default_compute": "azureml:cpu-cluster"},
                    "jobs": {"train": {"component": "./train.yml", "inputs": {"rate": "${{parent.inputs.rate}}"}}},
                }
            ]
        },
    )
    dump_only: ClassVar[frozenset[str]] = JobFacts.dump_only

    type: Annotated[Literal["pipeline"], AnyCase()] = must("pipeline")
    settings: PipelineSettings | None = may("how the nodes run")
    jobs: Nodes | None = may("the nodes, by name")
    component: PipelineComponentText | None = may("pipeline component that is run, in place of `jobs`")

    @model_validator(mode="after")
    def _nodes_or_component(self) -> PipelineJob:
        if self.jobs and self.component is not None:
            raise refuse("`jobs` and `component` exclude each other", "one of jobs, component", at="component")
        if not self.jobs and self.component is None:
            raise refuse("neither `jobs` nor `component` is there", "one of jobs, component")
        return self


class PipelineComponent(ComponentFacts):
    """A pipeline component's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Pipeline component",
        json_schema_extra={
            "examples": [
                {
                    "type": "pipeline",
                    "name": "train_and_score",
                    "inputs": {"data": {"type": "uri_folder"}},
                    "jobs": {"train": {"component": "./train.yml", "inputs": {"data": "${{parent.inputs.data}}"}}},
                }
            ]
        },
    )

    type: Annotated[Literal["pipeline"], AnyCase()] = must("pipeline")
    name: str = must("lowercase letters, digits and _, starting with a letter", pattern=NAME)
    settings: PipelineSettings | None = may("how the nodes run")
    jobs: Nodes = must("the nodes, by name", min_length=1)
