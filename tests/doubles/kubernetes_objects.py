"""What a cluster keeps and does: objects with versions, and controllers that take one step at each look."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.kubernetes_fields import Fields

Key = tuple[str, str, str]  # plural, namespace, name
_GENERATED = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp")


@dataclass
class Stored:
    kind: str
    api_version: str
    fields: Fields = field(default_factory=Fields)
    uid: str = ""
    version: int = 0
    generation: int = 1
    status: dict[str, Any] = field(default_factory=dict)
    deleting: bool = False  # a finalizer holds it

    def document(self) -> dict[str, Any]:
        document = self.fields.document()
        document |= {"apiVersion": self.api_version, "kind": self.kind}
        document["metadata"] |= {
            "uid": self.uid,
            "resourceVersion": str(self.version),
            "generation": self.generation,
            "creationTimestamp": "2026-11-26T00:00:00Z",
            "managedFields": [
                {"manager": manager} for manager in sorted(set().union(*self.fields.owners.values(), set()))
            ],
        }
        if self.deleting:
            document["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:01Z"
        if self.status:
            document["status"] = copy.deepcopy(self.status)
        return document


class Cluster:
    """Objects by key. `images` says what becomes of containers whose image holds a word: missing, crash, pending."""

    def __init__(self) -> None:
        self.objects: dict[Key, Stored] = {}
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    # --- what the API server does ---
    def apply(self, key: Key, document: dict[str, Any], manager: str, *, force: bool) -> tuple[Stored, bool]:
        """The object, and whether it is new. Raises Conflict."""
        found = self.objects.get(key)
        is_new = found is None
        one = found or Stored(document["kind"], document["apiVersion"], uid=f"uid-{next(self._uids)}")
        before = self._content(one)
        body = {name: value for name, value in document.items() if name not in ("apiVersion", "kind", "status")}
        body["metadata"] = {name: value for name, value in body["metadata"].items() if name not in _GENERATED}
        one.fields.apply(_canonical(body), manager, force=force)
        if is_new and _defaults(document):
            one.fields.update(_defaults(document), "kube-apiserver")
        self._written(one, before)
        self.objects[key] = one
        return one, is_new

    def edit(self, key: Key, patch: dict[str, Any], manager: str = "kubectl-edit") -> None:
        """Somebody else writes fields."""
        one = self.objects[key]
        before = self._content(one)
        one.fields.update(patch, manager)
        self._written(one, before)

    def delete(self, key: Key) -> Stored | None:
        """What goes with it goes later, as with propagationPolicy Background."""
        one = self.objects.get(key)
        if one is not None and not one.deleting:
            del self.objects[key]
        return one

    def _content(self, one: Stored) -> str:
        return json.dumps(one.fields.document(), sort_keys=True)

    def _written(self, one: Stored, before: str) -> None:
        """A write that changes nothing leaves the version as it is."""
        after = self._content(one)
        if before != after:
            if one.version and json.loads(before).get("spec") != json.loads(after).get("spec"):
                one.generation += 1
            self.touch(one)

    def touch(self, one: Stored) -> None:
        one.version = next(self._versions)

    def put_pod(self, key: Key, template: dict[str, Any], owner: str) -> Stored:
        pod = Stored("Pod", "v1", uid=f"uid-{next(self._uids)}")
        body = {"metadata": {**template["metadata"], "name": key[2], "namespace": key[1]}, "spec": template["spec"]}
        pod.fields.update(body, "kube-controller-manager")
        pod.status = {"owner": owner}
        self.touch(pod)
        self.objects[key] = pod
        return pod


def _canonical(document: Any, *, is_amount: bool = False) -> Any:
    """Quantities as an API server writes them: 0.5 is 500m, 1000m is 1."""
    if isinstance(document, dict):
        return {
            key: _canonical(value, is_amount=is_amount or key in ("limits", "requests"))
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [_canonical(each) for each in document]
    if is_amount and isinstance(document, str):
        if document.endswith("m") and document[:-1].isdecimal() and int(document[:-1]) % 1000 == 0:
            return str(int(document[:-1]) // 1000)
        if "." in document and document.replace(".", "").isdecimal():
            return f"{round(float(document) * 1000)}m"
    return document


def _defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Some of what an API server fills in."""
    if document["kind"] == "Service":
        return {"spec": {"clusterIP": "10.0.0.1", "sessionAffinity": "None"}}
    if document["kind"] == "Deployment":
        (container,) = document["spec"]["template"]["spec"]["containers"]
        filled = {"name": container["name"], "terminationMessagePath": "/dev/termination-log"}
        replicas = {} if "replicas" in document["spec"] else {"replicas": 1}
        return {
            "spec": {**replicas, "template": {"spec": {"containers": [filled], "restartPolicy": "Always"}}},
        }
    return {}
