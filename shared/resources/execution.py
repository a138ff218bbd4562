"""How code runs: distribution, resources, identity, services, queues; shared by components, jobs and nodes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from shared.resources.environment import EnvironmentField
from shared.resources.paths_in_files import CodePath
from shared.resources.shapes import (
    AnyCase,
    BindableInt,
    BoundText,
    Int,
    Shape,
    by_type,
    known_type,
    may,
    must,
    some,
)


class Mpi(Shape):
    """Processes that MPI starts."""

    type: Annotated[Literal["mpi"], AnyCase()] = must("mpi")
    process_count_per_instance: BindableInt | None = may("processes on each node")


class PyTorch(Shape):
    """Processes of torch.distributed."""

    type: Annotated[Literal["pytorch"], AnyCase()] = must("pytorch")
    process_count_per_instance: BindableInt | None = may("processes on each node")


class TensorFlow(Shape):
    """Workers and parameter servers of TF_CONFIG."""

    type: Annotated[Literal["tensorflow"], AnyCase()] = must("tensorflow")
    worker_count: BindableInt | None = may("workers; left out, the instance count")
    parameter_server_count: BindableInt | None = may("parameter servers")


class Ray(Shape):
    """A Ray cluster."""

    type: Annotated[Literal["ray"], AnyCase()] = must("ray")
    port: Int | None = may("port of the head", ge=1, le=65535)
    address: str | None = may("address of the head")
    include_dashboard: bool | None = may("whether the dashboard runs")
    dashboard_port: Int | None = may("port of the dashboard", ge=1, le=65535)
    head_node_additional_args: str | None = may("more arguments of the head")
    worker_node_additional_args: str | None = may("more arguments of the workers")


Distribution = Annotated[
    Annotated[Mpi, Tag("<mpi>")]
    | Annotated[PyTorch, Tag("<pytorch>")]
    | Annotated[TensorFlow, Tag("<tensorflow>")]
    | Annotated[Ray, Tag("<ray>")],
    Discriminator(by_type("mpi", "pytorch", "tensorflow", "ray")),
    known_type("mpi", "pytorch", "tensorflow", "ray"),
]


def _list_or_text(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<text>"


TextOrList = Annotated[
    Annotated[BoundText, Tag("<text>")] | Annotated[list[str], Tag("<list>")], Discriminator(_list_or_text)
]


class Resources(Shape):
    """Machines that a job takes."""

    instance_count: BindableInt | None = may("number of machines")
    instance_type: TextOrList | None = may("size of a machine")
    max_instance_count: BindableInt | None = may("most machines the job may grow to")
    shm_size: BoundText | None = may("size of /dev/shm, e.g. 2g")
    docker_args: TextOrList | None = may("more arguments of docker run")
    locations: list[str] | None = may("regions it may run in")
    properties: dict[str, Any] = some("settings of the scheduler")


class Identity(Shape):
    """As whom a job runs."""

    type: Annotated[
        Literal["managed", "managed_identity", "aml_token", "user_identity"], AnyCase(aliases={"amltoken": "aml_token"})
    ] = must("whose identity")
    client_id: str | None = may("client id of a managed identity")
    object_id: str | None = may("object id of a managed identity")
    msi_resource_id: str | None = may("ARM id of a managed identity")


class QueueSettings(Shape):
    """Where the job queues."""

    job_tier: Annotated[Literal["null", "spot", "basic", "standard", "premium"], AnyCase(bindable=True)] | None = may(
        "tier"
    )
    priority: Annotated[Literal["low", "medium", "high"], AnyCase(bindable=True)] | None = may("priority")


class JobService(Shape):
    """An application that runs beside the job: ssh, tensor_board, vs_code, jupyter_lab, or one of the job's own."""

    dump_only: ClassVar[frozenset[str]] = frozenset({"endpoint", "error_message", "status"})

    type: str | None = may("which application")
    port: Int | None = may("its port", ge=1, le=65535)
    nodes: Annotated[str, Field(pattern="^all$")] | None = may("all: on every node; left out, on the first")
    properties: dict[str, Any] = some("its settings")
    ssh_public_keys: str | None = may("of ssh: who may log in")
    log_dir: str | None = may("of tensor_board: where the logs are")


class Limits(Shape):
    """When a job is stopped."""

    timeout: BindableInt | None = may("seconds until it is stopped")


class RunSettings(Shape):
    """What a command needs to run, in a component, a job and a node."""

    code: CodePath | None = may("folder with the code, relative to this file, git+https://... or a reference")
    environment: EnvironmentField | None = may("environment it runs in, by reference or declared here")
    distribution: Distribution | None = may("how processes are spread over machines")
    resources: Resources | None = may("machines it takes")
    queue_settings: QueueSettings | None = may("where it queues")


class RetrySettings(Shape):
    """What happens to a mini batch that fails."""

    max_retries: BindableInt | None = may("times it is tried again")
    timeout: BindableInt | None = may("seconds until it counts as failed")
