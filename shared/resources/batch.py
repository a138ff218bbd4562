"""Batch endpoints, and the three shapes of batch deployments: flat, `type: model`, `type: pipeline`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Tag, model_validator

from shared.resources.environment import EnvironmentField
from shared.resources.execution import Resources
from shared.resources.online_endpoint import EndpointFacts
from shared.resources.paths_in_files import Compute, component_of
from shared.resources.pipeline import PipelineComponent, PipelineSettings
from shared.resources.serving import DeploymentFacts, ScoringFacts
from shared.resources.shapes import AnyCase, EnvironmentVariables, Int, Shape, is_mapping, may, must, refuse, some

ENDPOINT_KIND = "batch-endpoint"
DEPLOYMENT_KIND = "batch-deployment"


class BatchDefaults(Shape):
    """What is used when a request names nothing."""

    deployment_name: str | None = may("the deployment that is invoked")


class BatchEndpoint(EndpointFacts):
    """A batch endpoint's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Batch endpoint",
        json_schema_extra={"examples": [{"name": "score-nightly", "defaults": {"deployment_name": "blue"}}]},
    )

    auth_mode: Annotated[Literal["aad_token", "key", "aml_token"], AnyCase()] = may(
        "how callers prove who they are", "aad_token"
    )
    defaults: BatchDefaults | None = may("what is used when a request names nothing")


class BatchRetrySettings(Shape):
    """What happens to a mini batch that fails."""

    max_retries: Int = may("times it is tried again", 3, ge=0)
    timeout: Int = may("seconds until it counts as failed", 30, ge=1)


class BatchRun(Shape):
    """How a batch is cut up and worked off."""

    mini_batch_size: Int = may("files of a mini batch", 10, ge=1)
    max_concurrency_per_instance: Int = may("processes on a machine", 1, ge=1)
    output_action: Annotated[Literal["append_row", "summary_only"], AnyCase()] = may("what is written", "append_row")
    output_file_name: str = may("file that is appended to", "predictions.csv")
    error_threshold: Int = may("files that may fail; -1: all", -1, ge=-1)
    retry_settings: BatchRetrySettings | None = may("what happens to a mini batch that fails")
    logging_level: Annotated[Literal["info", "warning", "debug"], AnyCase()] = may("how much is logged", "info")


class FlatBatchDeployment(ScoringFacts, BatchRun):
    """A batch deployment without `type`: the run's settings stand beside the rest."""

    model_config = ConfigDict(
        title="Batch deployment",
        json_schema_extra={
            "examples": [
                {
                    "name": "blue",
                    "endpoint_name": "score-nightly",
                    "model": "azureml:diabetes@latest",
                    "compute": "azureml:cpu-cluster",
                    "mini_batch_size": 10,
                }
            ]
        },
    )

    compute: Compute | None = may("where it runs: azureml:NAME, or NAME")
    resources: Resources | None = may("machines it takes")


class BatchRunSettings(BatchRun):
    """The settings of a model batch deployment."""

    instance_count: Int | None = may("number of machines", ge=1)
    environment_variables: EnvironmentVariables = some("variables of the processes")


class ModelBatchDeployment(ScoringFacts):
    """A batch deployment with `type: model`: the run's settings stand in `settings`."""

    model_config = ConfigDict(
        title="Model batch deployment",
        json_schema_extra={
            "examples": [
                {
                    "type": "model",
                    "name": "blue",
                    "endpoint_name": "score-nightly",
                    "model": "azureml:diabetes@latest",
                    "compute": "azureml:cpu-cluster",
                    "settings": {"mini_batch_size": 10},
                }
            ]
        },
    )

    type: Annotated[Literal["model"], AnyCase()] = must("model")
    compute: Compute = must("where it runs: azureml:NAME, or NAME; may be given on the command line")
    resources: Resources | None = may("machines it takes")
    error_threshold: Int | None = may("files that may fail; -1: all; better in `settings`", ge=-1)
    settings: BatchRunSettings | None = may("how a batch is cut up and worked off")


class PipelineBatchDeployment(DeploymentFacts):
    """A batch deployment with `type: pipeline`: a pipeline component, run for each request."""

    model_config = ConfigDict(
        title="Pipeline component batch deployment",
        json_schema_extra={
            "examples": [
                {
                    "type": "pipeline",
                    "name": "blue",
                    "endpoint_name": "train-nightly",
                    "component": "azureml:train@latest",
                    "settings": {"default_compute": "azureml:cpu-cluster"},
                }
            ]
        },
    )

    type: Annotated[Literal["pipeline"], AnyCase()] = must("pipeline")
    component: (
        Annotated[
            Annotated[str, AfterValidator(component_of("pipelineComponent")), Tag("<text>")]
            | Annotated[PipelineComponent, Tag("<mapping>")],
            Discriminator(is_mapping),
        ]
        | None
    ) = may("the component: a file, or a reference")
    job_definition: str | None = may("a finished pipeline job, in place of `component`")
    environment: EnvironmentField | None = may("not used")
    settings: PipelineSettings | None = may("how the nodes run")

    @model_validator(mode="after")
    def _component_or_job(self) -> PipelineBatchDeployment:
        if self.component is None and self.job_definition is None:
            raise refuse("neither `component` nor `job_definition` is there", "one of component, job_definition")
        if self.component is not None and self.job_definition is not None:
            raise refuse("`component` and `job_definition` exclude each other", "one of them", at="job_definition")
        return self
