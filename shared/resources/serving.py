"""What deployments are made of: model, code, environment, probes, requests."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag

from shared.resources.environment import EnvironmentField
from shared.resources.model import ModelType
from shared.resources.paths_in_files import AnyPath, AssetText, LocalFile
from shared.resources.shapes import (
    AnyCase,
    EnvironmentVariables,
    Int,
    Shape,
    TextMap,
    Version,
    is_mapping,
    may,
    must,
    some,
)

MAX_REQUEST_TIMEOUT_MS = 180_000
# The service's rule for the names of deployments.
DEPLOYMENT_NAME = Annotated[str, Field(pattern=r"^[a-zA-Z]([-a-zA-Z0-9_]*[a-zA-Z0-9])?$", max_length=64)]


class InlineModel(Shape):
    """A model declared where it is used."""

    dump_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "creation_context", "latest_version", "job_name", "utc_time_created", "intellectual_property"}
    )

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    name: str | None = may("name for people")
    version: Version | None = may("version for people")
    path: AnyPath = must("file or folder with the model, relative to this file, or a reference")
    type: Annotated[ModelType, AnyCase()] = may("how the files are laid out", ModelType.CUSTOM)
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: TextMap = some("facts that never change")
    stage: str | None = may("Azure ML's stage, e.g. Production")
    flavors: dict[str, Any] | None = may("MLflow's flavors")
    datastore: str | None = may("datastore that local files are uploaded to")


ModelField = Annotated[
    Annotated[AssetText, Tag("<text>")] | Annotated[InlineModel, Tag("<mapping>")], Discriminator(is_mapping)
]


class CodeConfiguration(Shape):
    """The script that scores."""

    code: LocalFile | None = may("folder with the script, relative to this file")
    scoring_script: str | None = may("the script, relative to the folder")


class Probe(Shape):
    """How it is found out whether a container lives, or is ready."""

    initial_delay: Int = may("seconds before the first probe", 10, ge=0)
    period: Int = may("seconds between probes", 10, ge=1)
    timeout: Int = may("seconds until a probe counts as failed", 2, ge=1)
    success_threshold: Int = may("successes in a row until it is well again", 1, ge=1)
    failure_threshold: Int = may("failures in a row until it is unwell", 30, ge=1)


class RequestSettings(Shape):
    """How requests are taken."""

    request_timeout_ms: Int = may("milliseconds until a request is given up", 5000, ge=1, le=MAX_REQUEST_TIMEOUT_MS)
    max_concurrent_requests_per_instance: Int = may("requests at once in one container", 1, ge=1)
    max_queue_wait_ms: Int = may("milliseconds a request may wait; deprecated", 500, ge=0)


class DeploymentFacts(Shape):
    """What every deployment has."""

    dump_only: ClassVar[frozenset[str]] = frozenset({"id", "provisioning_state", "creation_context"})

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    name: DEPLOYMENT_NAME = must("name of the deployment, unique in its endpoint")
    endpoint_name: str = must("the endpoint it belongs to; may be given on the command line", min_length=1)
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: TextMap = some("facts that never change")


class ScoringFacts(DeploymentFacts):
    """What every deployment that scores with a model has."""

    model: ModelField | None = may("the model, by reference or declared here")
    code_configuration: CodeConfiguration | None = may("the script that scores")
    environment: EnvironmentField | None = may("environment it runs in, by reference or declared here")
    environment_variables: EnvironmentVariables = some("variables of the containers")
