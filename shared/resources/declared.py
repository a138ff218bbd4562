"""The spec of a resource that is declared and has no controller yet: the declaration itself."""

from __future__ import annotations

from typing import Any

from shared.resources.base import Document

# Kinds whose spec is the declaration until their controllers come; see shared.resources.forms for their files.
DECLARED_KINDS = (
    "environment",
    "data",
    "component",
    "job",
    "online-endpoint",
    "online-deployment",
    "batch-endpoint",
    "batch-deployment",
    "schedule",
    "monitor",
    "model-package",
)


class DeclaredSpec(Document):
    """What a file declares."""

    form: str  # one of shared.resources.forms.FORMS
    declaration: dict[str, Any]  # the declaration, dumped by alias without what was left out
