"""Every setting, typed, read once from the environment. The one place that reads environment variables.

A setting without a value takes its default; a wrong value is an error at start that names the variable.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from shared.errors import Fault, Invalid
from shared.resources.base import Document

LOCAL_TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/slipway"
)


class Settings(Document):
    """The settings, by their environment variable's name (SLIPWAY_ and the field in upper case)."""

    mode: Literal["local", "azure"] = Field(default="local", description="which adapters are used")
    data_dir: Path = Field(default=Path(".slipway"), description="local: where everything is kept")
    topic: str = Field(
        default=LOCAL_TOPIC, description="topic and source of published events; an ARM id of a workspace"
    )
    manifest_deadline_s: float = Field(default=3600, gt=0, description="how long a manifest waits for its files")
    upload_settle_s: float = Field(default=5, ge=0, description="how long a folder must be quiet to be complete")
    staging_retention_s: float = Field(
        default=604800, ge=3600, description="how long files sent by URL are kept when nothing was registered from them"
    )
    signed_url_ttl_s: float = Field(default=3600, gt=0, description="how long upload and download URLs are valid")
    inspect_max_bytes: int = Field(
        default=2**30, ge=0, description="largest file of a model that is looked into; larger ones are only listed"
    )
    inspect_timeout_s: float = Field(default=120, gt=0, description="how long looking into one model's files may take")
    artifact_retention_s: float = Field(
        default=604800, ge=0, description="how long files that no version refers to are kept before they are collected"
    )
    model_source_hosts: str = Field(
        default="", description="hosts that models and data may be brought from: host, host:port, *.domain, with commas"
    )
    model_source_buckets: str = Field(
        default="", description="S3 buckets that models and data may be brought from, with commas"
    )
    model_source_max_bytes: int = Field(
        default=20 * 2**30, ge=1, description="largest model that is brought from a URL or unpacked from an archive"
    )
    data_source_max_bytes: int = Field(
        default=10 * 2**30, ge=1, description="largest data asset that is brought from a URL, a bucket or a datastore"
    )
    datastores: str = Field(
        default="",
        description="containers of Azure Storage to read: path of a YAML or JSON file, or the JSON itself",
    )
    model_source_allow_loopback: bool = Field(
        default=False, description="for tests and development: models and data may be brought from this machine, too"
    )
    s3_endpoint_url: str = Field(default="", description="an S3-compatible service; empty: the SDK's own choice")
    max_attempts: int = Field(default=8, ge=1, description="tries of a reconcile that fails retryably, then poison")
    retry_base_s: float = Field(default=2, gt=0, description="first back-off of a reconcile; doubles up to 10 minutes")
    outbox_grace_s: float = Field(
        default=10, ge=0, description="age of an unacknowledged event when the sweep re-sends it"
    )
    event_pascal_case: bool = Field(default=False, description="repeat Azure ML payload keys in PascalCase")

    package_index_url: str = Field(
        default="", description="index that Python packages come from; empty: what uv is configured with"
    )
    lock_timeout_s: float = Field(default=300, gt=0, description="how long resolving requirements may take")
    environment_build_timeout_s: float = Field(
        default=1800, gt=0, description="how long building an environment may take"
    )

    container_engine: Literal["auto", "none", "podman", "buildah", "docker"] = Field(
        default="auto",
        description="local: what builds environments that must be images: auto (the first there is), none, or its name",
    )

    image_base: str = Field(
        default="",
        description="what images rest on whose environment names none: a reference, an OCI layout, a root file system",
    )
    base_image_timeout_s: float = Field(
        default=10, ge=0, description="how long a registry may take to say which image a tag names; 0: it is not asked"
    )
    image_repository: str = Field(
        default="", description="local: HOST/REPOSITORY that images are pushed to; empty: they stay in the data folder"
    )
    image_build_timeout_s: float = Field(default=1800, gt=0, description="how long packaging an image may take")

    optimization_timeout_s: float = Field(default=1800, gt=0, description="how long optimising a model may take")
    profile_timeout_s: float = Field(default=1500, gt=0, description="how long the profile of a model may take")
    monitor_run_timeout_s: float = Field(default=3600, gt=0, description="how long a run of a monitor may take")
    collected_settle_s: float = Field(
        default=300,
        ge=0,
        description="how long after its end an hour of collected data is sketched, and after arrivals",
    )
    window_sketch_retention_s: float = Field(
        default=2678400, ge=0, description="how long sketches of hours of collected data are kept"
    )
    notifiers: str = Field(
        default="", description="whom monitors can tell: path of a YAML or JSON file, or the JSON itself"
    )
    profile_prices: str = Field(default="", description="file with your table of prices; none: example prices")

    cosmos_endpoint: str = Field(default="", description="azure: https://ACCOUNT.documents.azure.com")
    cosmos_database: str = Field(default="slipway", description="azure: database with the container `resources`")
    blob_account_url: str = Field(default="", description="azure: https://ACCOUNT.blob.core.windows.net")
    queue_account_url: str = Field(default="", description="azure: https://ACCOUNT.queue.core.windows.net")
    eventgrid_endpoint: str = Field(
        default="", description="azure: https://TOPIC.REGION-1.eventgrid.azure.net/api/events"
    )
    eventgrid_topic_id: str = Field(default="", description="azure: ARM id of the Event Grid topic, for subscriptions")
    eventgrid_input_schema: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = Field(
        default="EventGridSchema", description="azure: the topic's input schema"
    )
    container_registry_id: str = Field(
        default="", description="azure: ARM id of the container registry that builds and keeps images"
    )
    job_image: str = Field(
        default="",
        description="azure: Slipway's image (infra/jobs) that profiles, optimisations and monitors run in; empty: they "
        "are refused",
    )
    job_compute: str = Field(
        default="", description="azure: the cluster of SLIPWAY_COMPUTES that jobs run on; empty: the default compute"
    )
    job_cpu: float = Field(default=1, gt=0, description="azure: CPUs of a job, requested and at most")
    job_memory_gb: float = Field(default=4, gt=0, description="azure: GB of 2**30 bytes of memory of a job")
    job_scratch_gb: float = Field(default=10, gt=0, description="azure: GB of 2**30 bytes of temporary files of a job")
    management_url: str = Field(
        default="https://management.azure.com",
        description="azure: Azure Resource Manager; sovereign clouds have another",
    )
    managed_identity_client_id: str = Field(
        default="", description="azure: a user-assigned identity; empty: the default"
    )
    easy_auth: bool = Field(
        default=False, description="local: trust client principal headers; on Azure Easy Auth sets it"
    )
    instance_id: str = Field(
        default="",
        description="name of this host in leases; empty: the platform's, else one of its own, on one machine local",
    )
    telemetry: Literal["none", "azure-monitor", "otlp"] = Field(
        default="none", description="where traces and metrics go; needs the extra `telemetry`"
    )
    git_repositories: str = Field(
        default="", description="repositories to follow: path of a YAML or JSON file, or the JSON itself"
    )
    computes: str = Field(
        default="",
        description="clusters and devices that endpoints may run on: path of a YAML or JSON file, or the JSON itself",
    )
    default_compute: str = Field(
        default="", description="the compute of endpoints that name none; empty: this machine, or nothing on Azure"
    )
    work_queue: str = Field(default="reconcile", description="name of the Storage Queue")


# Variables that begin like settings but belong to others: the queue trigger's connection, the command, the local host.
OTHERS = (
    "SLIPWAY_QUEUE__",
    "SLIPWAY_TEST_",
    "SLIPWAY_URL",
    "SLIPWAY_KEY",
    "SLIPWAY_SCOPE",
    "SLIPWAY_EVENTGRID_BACKOFF_SCALE",
    "SLIPWAY_GIT_SECRET_",
    "SLIPWAY_GIT_TOKEN_",
    "SLIPWAY_NOTIFIER_SECRET_",
)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from SLIPWAY_* variables. Raises Invalid with every wrong or unknown variable."""
    source = os.environ if environ is None else environ
    values = {
        name: source[f"SLIPWAY_{name.upper()}"] for name in Settings.model_fields if f"SLIPWAY_{name.upper()}" in source
    }
    _check_names(source)
    if values.get("mode") == "azure":  # only the platform can vouch for its headers
        values["easy_auth"] = source.get("WEBSITE_AUTH_ENABLED", "false")
    values.setdefault("instance_id", source.get("WEBSITE_INSTANCE_ID") or _own_name(values.get("mode")))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults = tuple(Fault(message=e["msg"], pointer=f"SLIPWAY_{str(e['loc'][0]).upper()}") for e in error.errors())
        raise Invalid("settings in the environment are wrong", faults=faults) from error
    if "WEBSITE_SITE_NAME" in source and "mode" not in values:
        raise Invalid("SLIPWAY_MODE is not set on Azure", remedy="set it to azure in the app settings")
    needed = ("cosmos_endpoint", "blob_account_url", "queue_account_url", "eventgrid_endpoint")
    absent = [f"SLIPWAY_{name.upper()}" for name in needed if settings.mode == "azure" and not getattr(settings, name)]
    if absent:
        raise Invalid(f"SLIPWAY_MODE is azure, but {', '.join(absent)} is not set", remedy="set it in the app settings")
    return settings


def _own_name(mode: str | None) -> str:
    """Of a host that the platform gives no name. On Azure others are beside it, and none may pass for another; on one
    machine the next host goes on with the leases of the one that was killed."""
    return str(uuid.uuid4()) if mode == "azure" else "local"


def _check_names(source: Mapping[str, str]) -> None:
    known = {f"SLIPWAY_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(n for n in source if n.startswith("SLIPWAY_") and n not in known and not n.startswith(OTHERS))
    if unknown:
        faults = tuple(Fault("no such setting", name) for name in unknown)
        raise Invalid(
            "settings in the environment are unknown", faults=faults, remedy="docs/settings.md lists them all"
        )
