"""The documents of the REST API: what is sent and what is answered. The OpenAPI document is made of these."""

from __future__ import annotations

from shared.api.documents.applying import (
    Applied,
    ApplyFile,
    ApplyRequest,
    DeclaredResource,
    DeclaredResourcePage,
    DeliveryReceived,
    Sync,
    SyncPage,
    SyncRequest,
)
from shared.api.documents.events import (
    EventDocument,
    EventPage,
    SubscriptionDocument,
    SubscriptionPage,
    SubscriptionRequest,
)
from shared.api.documents.governance import (
    AuditHead,
    AuditHeadPage,
    CollectionDone,
    CollectionRequest,
    HistoryPage,
    PolicyTestPage,
    PolicyTestRequest,
    PolicyText,
    PolicyViolation,
)
from shared.api.documents.models import LabelRequest, ModelPage, ModelSummary, ModelVersion, ModelVersionPage
from shared.api.documents.server import Health, Problem, Reconciling
from shared.api.documents.uploads import (
    RegisterRequest,
    Upload,
    UploadFile,
    UploadPage,
    UploadSession,
    UploadSessionRequest,
    UploadTarget,
)

__all__ = [
    "Applied",
    "ApplyFile",
    "ApplyRequest",
    "AuditHead",
    "AuditHeadPage",
    "CollectionDone",
    "CollectionRequest",
    "DeclaredResource",
    "DeclaredResourcePage",
    "DeliveryReceived",
    "EventDocument",
    "EventPage",
    "Health",
    "HistoryPage",
    "LabelRequest",
    "ModelPage",
    "ModelSummary",
    "ModelVersion",
    "ModelVersionPage",
    "PolicyTestPage",
    "PolicyTestRequest",
    "PolicyText",
    "PolicyViolation",
    "Problem",
    "Reconciling",
    "RegisterRequest",
    "SubscriptionDocument",
    "SubscriptionPage",
    "SubscriptionRequest",
    "Sync",
    "SyncPage",
    "SyncRequest",
    "Upload",
    "UploadFile",
    "UploadPage",
    "UploadSession",
    "UploadSessionRequest",
    "UploadTarget",
]
