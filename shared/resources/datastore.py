"""Datastores: containers of Azure Storage that declarations name, and that are trusted by being configured."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from shared.resources.base import Document

ACCOUNT_PATTERN = r"^[a-z0-9]{3,24}$"  # Azure Resource Manager's rule for Microsoft.Storage/storageAccounts
CONTAINER_PATTERN = r"^(\$root|\$web|[a-z0-9](-?[a-z0-9]){2,62})$"  # "Naming containers, blobs, and metadata"
ENDPOINT_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class _Datastore(Document):
    """What every datastore has; the keys are those of Azure ML's datastore YAML, but for `workspace`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_: str | None = Field(default=None, alias="$schema", description="the schema's URL, for editors")
    name: str = Field(
        pattern=r"^[A-Za-z0-9_]{1,255}$", description="what declarations call it: azureml://datastores/NAME"
    )
    description: str | None = Field(default=None, description="free text")
    account_name: str = Field(pattern=ACCOUNT_PATTERN, description="the storage account")
    protocol: Literal["https"] = Field(default="https", description="how it is called")
    endpoint: str = Field(
        default="core.windows.net",
        pattern=ENDPOINT_PATTERN,
        description="end of its host; sovereign clouds have another",
    )
    workspace: str = Field(
        default="", description="name of the workspace that long URIs name it in; empty: they are refused"
    )

    @property
    def account_url(self) -> str:
        """The account's Blob endpoint."""
        return f"{self.protocol}://{self.account_name}.blob.{self.endpoint}"


class BlobDatastore(_Datastore):
    """A container of Blob Storage."""

    type: Literal["azure_blob"]
    container_name: str = Field(pattern=CONTAINER_PATTERN, description="the container")

    @property
    def container(self) -> str:
        """The container's name."""
        return self.container_name


class LakeDatastore(_Datastore):
    """A file system of Data Lake Storage Gen2, which is a container to the Blob endpoint."""

    type: Literal["azure_data_lake_gen2"]
    filesystem: str = Field(pattern=CONTAINER_PATTERN, description="the file system")

    @property
    def container(self) -> str:
        """The file system's name."""
        return self.filesystem


Datastore = Annotated[BlobDatastore | LakeDatastore, Field(discriminator="type")]
DATASTORES: TypeAdapter[BlobDatastore | LakeDatastore] = TypeAdapter(Datastore)
