"""Data assets: what a `data.yml` may say."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict

from shared.resources.base import NAME_PATTERN
from shared.resources.paths_in_files import AnyPath
from shared.resources.shapes import AnyCase, Shape, TextMap, Version, may, must, refuse, some

KIND = "data"
# Names of what a query holds that is a credential: a declaration is kept, and shown to everybody.
_SIGNED = re.compile(r"[?&](sig|signature|x-amz-signature|x-goog-signature|(access_?)?token|(api_?)?key|code)=", re.I)


def _unsigned(path: str) -> str:
    if "://" in path and _SIGNED.search(path):
        raise refuse("a URL with a credential in it is not kept", "a URL without, of a place that the settings allow")
    return path


class DataDeclaration(Shape):
    """A `data.yml` in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Data",
        json_schema_extra={"examples": [{"name": "patients", "type": "uri_file", "path": "patients.csv"}]},
    )
    dump_only: ClassVar[frozenset[str]] = frozenset({"id", "creation_context", "latest_version"})

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    name: str = must("name of the data; versions are counted per name", pattern=NAME_PATTERN)
    version: Version | None = may("its version; left out, the next number")
    type: Annotated[Literal["uri_folder", "uri_file", "mltable"], AnyCase()] = may(
        "what the path is", default="uri_folder"
    )
    path: Annotated[AnyPath, AfterValidator(_unsigned)] = must(
        "file or folder relative to this file, a URL, or azureml://datastores/D/paths/P"
    )
    datastore: str | None = may("datastore that local files are uploaded to")
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: TextMap = some("facts that never change")
    auto_delete_setting: dict[str, Any] | None = may("when Azure ML deletes it")
