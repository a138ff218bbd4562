"""The forms of declared files, by the names of Azure ML's schemas. Their modules are imported when they are met."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from shared.resources.base import Document


@dataclass(frozen=True, slots=True)
class Form:
    """A form that declared files have."""

    name: str  # as in Azure ML's $schema: commandJob, managedOnlineDeployment...
    kind: str  # the kind of resource it declares; "" for files that only belong to others
    module: str  # below shared.resources
    shape_name: str  # the class in that module

    @property
    def shape(self) -> type[Document]:
        """The shape, whose module is imported now."""
        return _shape(self.module, self.shape_name)


@cache
def _shape(module: str, name: str) -> type[Document]:
    shape: type[Document] = getattr(import_module(f"shared.resources.{module}"), name)
    return shape


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("model", "model", "model", "ModelDeclaration"),
        Form("environment", "environment", "environment", "EnvironmentDeclaration"),
        Form("condaFile", "", "environment", "CondaFile"),
        Form("data", "data", "data", "DataDeclaration"),
        Form("commandComponent", "component", "component", "CommandComponent"),
        Form("parallelComponent", "component", "component", "ParallelComponent"),
        Form("pipelineComponent", "component", "pipeline", "PipelineComponent"),
        Form("commandJob", "job", "job", "CommandJob"),
        Form("sweepJob", "job", "job", "SweepJob"),
        Form("parallelJob", "job", "job", "ParallelJob"),
        Form("pipelineJob", "job", "pipeline", "PipelineJob"),
        Form("managedOnlineEndpoint", "online-endpoint", "online_endpoint", "ManagedOnlineEndpoint"),
        Form("kubernetesOnlineEndpoint", "online-endpoint", "online_endpoint", "KubernetesOnlineEndpoint"),
        Form("managedOnlineDeployment", "online-deployment", "online_deployment", "ManagedOnlineDeployment"),
        Form("kubernetesOnlineDeployment", "online-deployment", "online_deployment", "KubernetesOnlineDeployment"),
        Form("batchEndpoint", "batch-endpoint", "batch", "BatchEndpoint"),
        Form("batchDeployment", "batch-deployment", "batch", "FlatBatchDeployment"),
        Form("modelBatchDeployment", "batch-deployment", "batch", "ModelBatchDeployment"),
        Form("pipelineComponentBatchDeployment", "batch-deployment", "batch", "PipelineBatchDeployment"),
        Form("schedule", "schedule", "schedule", "ScheduleDeclaration"),
        Form("monitor", "monitor", "monitor", "MonitorDeclaration"),
        Form("modelPackage", "model-package", "model_package", "ModelPackageDeclaration"),
    )
}


def forms_of(kind: str) -> tuple[Form, ...]:
    """The forms that declare a kind of resource; empty for kinds that are not declared."""
    return tuple(form for form in FORMS.values() if form.kind == kind)
