"""Deliveries of the four providers: what genuine ones say, and that every other is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from shared.errors import BadRequest, SlipwayError, TooLarge, Unauthorized
from shared.webhooks import Delivery, PullRequest, verify_and_parse

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
OLD, NEW, ZERO = "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", "0" * 40
SECRET = "It's a Secret to Everybody"
WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
REPOSITORY = {"full_name": "Octo/models", "clone_url": "https://user:pw@GitHub.com/Octo/models.git?x=1"}
GITHUB_PUSH = {
    "ref": "refs/heads/main", "before": OLD, "after": NEW, "created": False, "deleted": False, "forced": True,
    "repository": REPOSITORY, "pusher": {"name": "octo", "email": "octo@example.com"}, "sender": {"login": "octo"},
    "commits": [{"id": NEW, "message": "Retrain", "added": ["model.yml"], "removed": [], "modified": []}],
}  # fmt: skip


def github(payload: Any, event: str = "push", secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    body = json.dumps(payload).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "x-github-event": event,
        "x-github-delivery": "72d3162e",
        "x-hub-signature-256": f"sha256={signature}",
    }, body


def standard(payload: Any, sent_at: datetime = NOW, secret: str = WHSEC) -> tuple[dict[str, str], bytes]:
    body = json.dumps(payload).encode()
    signature = Webhook(secret).sign("msg_1", sent_at, body.decode())
    stamp = str(int(sent_at.timestamp()))
    return {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}, body


def read_github(payload: Any, event: str = "push") -> Delivery:
    headers, body = github(payload, event)
    return verify_and_parse("github", headers, body, (SECRET,), NOW)


def test_a_github_push_is_read() -> None:
    delivery = read_github(GITHUB_PUSH)
    assert delivery.repository_urls == ("https://github.com/Octo/models",)
    assert (delivery.event, delivery.delivery_id, delivery.ref) == ("push", "72d3162e", "refs/heads/main")
    assert (delivery.before, delivery.after, delivery.forced, delivery.deleted) == (OLD, NEW, True, False)
    assert delivery.sender == "octo"


def test_a_deleted_branch_has_no_commit_after() -> None:
    delivery = read_github({**GITHUB_PUSH, "after": ZERO, "deleted": True})
    assert (delivery.after, delivery.deleted) == (None, True)


def test_the_other_github_events_are_read() -> None:
    head, base = {"sha": NEW, "ref": "tune"}, {"sha": OLD, "ref": "main"}
    common = {"repository": REPOSITORY, "sender": {"login": "octo"}}
    request = read_github(
        {"action": "opened", "number": 7, "pull_request": {"head": head, "base": base}, **common}, "pull_request"
    )
    assert request.pull_request == PullRequest(7, NEW, "refs/heads/tune", "refs/heads/main")
    assert request.action == "opened"
    release = read_github({"action": "published", "release": {"tag_name": "v1"}, **common}, "release")
    assert (release.tag, release.action) == ("v1", "published")
    run = {"head_sha": NEW, "conclusion": "success"}
    finished = read_github({"action": "completed", "workflow_run": run, **common}, "workflow_run")
    assert (finished.after, finished.conclusion) == (NEW, "success")
    assert read_github({"zen": "Keep it logically awesome.", "hook_id": 1}, "ping").event == "ping"
    ignored = read_github({"action": "created", **common}, "star")
    assert (ignored.event, bool(ignored.reason)) == ("ignored", True)


def test_two_secrets_are_accepted_while_one_replaces_the_other() -> None:
    headers, body = github(GITHUB_PUSH, secret="previous")
    assert verify_and_parse("github", headers, body, ("current", "previous"), NOW).after == NEW


@pytest.mark.parametrize(
    "signature",
    [
        None, "", "sha256=", "sha256=" + "0" * 64, "sha256=\u00e9\ud800" + "0" * 62,
        "sha512=" + hmac.new(SECRET.encode(), json.dumps(GITHUB_PUSH).encode(), hashlib.sha512).hexdigest(),
        "sha256=" + hmac.new(SECRET.encode(), json.dumps(GITHUB_PUSH).encode(), hashlib.sha256).hexdigest().upper(),
    ],
)  # fmt: skip
def test_a_wrong_github_signature_is_refused(signature: str | None) -> None:
    headers, body = github(GITHUB_PUSH)
    del headers["x-hub-signature-256"]
    headers["x-hub-signature"] = "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    if signature is not None:
        headers["x-hub-signature-256"] = signature
    with pytest.raises(Unauthorized) as caught:
        verify_and_parse("github", headers, body, (SECRET,), NOW)
    assert SECRET not in str(caught.value)


def test_a_changed_body_or_another_secret_or_none_is_refused() -> None:
    headers, body = github(GITHUB_PUSH)
    for changed, secrets in ((body + b" ", (SECRET,)), (body, ("other",)), (body, ()), (body, ("",))):
        with pytest.raises(Unauthorized):
            verify_and_parse("github", headers, changed, secrets, NOW)


def test_too_many_bytes_are_refused_before_anything_else() -> None:
    with pytest.raises(TooLarge):
        verify_and_parse("github", {}, b"x" * (5 * 1024 * 1024 + 1), (SECRET,), NOW)


@pytest.mark.parametrize(
    "payload",
    [[], {}, {**GITHUB_PUSH, "after": "main"}, {**GITHUB_PUSH, "ref": 1}, {**GITHUB_PUSH, "repository": {}},
     {**GITHUB_PUSH, "repository": {"clone_url": "file:///etc"}}],
)  # fmt: skip
def test_a_genuine_delivery_of_another_shape_is_a_bad_request(payload: Any) -> None:
    with pytest.raises(BadRequest):
        read_github(payload)


GITLAB_PUSH = {
    "object_kind": "push", "event_name": "push", "before": OLD, "after": NEW, "ref": "refs/heads/main",
    "checkout_sha": NEW, "user_username": "jsmith", "project_id": 15,
    "project": {"id": 15, "git_http_url": "https://gitlab.example.com/mike/models.git"}, "total_commits_count": 1,
}  # fmt: skip


def gitlab_headers(event: str, **more: str) -> dict[str, str]:
    return {"x-gitlab-event": event, "x-gitlab-event-uuid": "uuid-1", "x-gitlab-token": SECRET, **more}


@pytest.mark.parametrize(("event", "ref"), [("Push Hook", "refs/heads/main"), ("Tag Push Hook", "refs/tags/v1")])
def test_a_gitlab_push_is_read(event: str, ref: str) -> None:
    body = json.dumps({**GITLAB_PUSH, "ref": ref}).encode()
    delivery = verify_and_parse("gitlab", gitlab_headers(event), body, (SECRET,), NOW)
    assert (delivery.event, delivery.ref, delivery.after, delivery.sender) == ("push", ref, NEW, "jsmith")
    assert delivery.repository_urls == ("https://gitlab.example.com/mike/models",)
    assert delivery.delivery_id == "uuid-1"


def test_a_gitlab_merge_request_is_read_and_other_events_are_ignored() -> None:
    attributes = {
        "iid": 3, "source_branch": "tune", "target_branch": "main", "last_commit": {"id": NEW}, "action": "update",
    }  # fmt: skip
    payload = {"project": GITLAB_PUSH["project"], "object_attributes": attributes, "user": {"username": "root"}}
    body = json.dumps(payload).encode()
    delivery = verify_and_parse("gitlab", gitlab_headers("Merge Request Hook"), body, (SECRET,), NOW)
    assert delivery.pull_request == PullRequest(3, NEW, "refs/heads/tune", "refs/heads/main")
    assert verify_and_parse("gitlab", gitlab_headers("Note Hook"), body, (SECRET,), NOW).event == "ignored"


def test_a_signed_gitlab_delivery_needs_its_signature_whatever_its_token_is() -> None:
    headers, body = standard(GITLAB_PUSH)
    headers |= {"x-gitlab-event": "Push Hook", "x-gitlab-token": WHSEC}
    assert verify_and_parse("gitlab", headers, body, (WHSEC,), NOW).delivery_id == "msg_1"
    with pytest.raises(Unauthorized):
        verify_and_parse("gitlab", headers, body + b" ", (WHSEC,), NOW)


@pytest.mark.parametrize("token", ["", "wrong", SECRET.upper(), SECRET + "\u00e9"])
def test_a_wrong_gitlab_token_is_refused(token: str) -> None:
    headers = {**gitlab_headers("Push Hook"), "x-gitlab-token": token}
    with pytest.raises(Unauthorized):
        verify_and_parse("gitlab", headers, json.dumps(GITLAB_PUSH).encode(), (SECRET,), NOW)


AZURE_REPOSITORY = {"remoteUrl": "https://fabrikam@dev.azure.com/fabrikam/Fiber/_git/models"}
AZURE_PUSH = {
    "subscriptionId": "s", "notificationId": 3, "id": "03c164c2", "eventType": "git.push", "publisherId": "tfs",
    "resource": {
        "commits": [{"commitId": NEW}], "pushId": 14, "pushedBy": {"uniqueName": "jamal@example.com"},
        "refUpdates": [{"name": "refs/heads/main", "oldObjectId": OLD, "newObjectId": NEW}],
        "repository": AZURE_REPOSITORY,
    },
}  # fmt: skip


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}


def read_azure(payload: Any) -> Delivery:
    return verify_and_parse("azure-devops", basic(SECRET), json.dumps(payload).encode(), (SECRET,), NOW)


def test_azure_devops_pushes_and_pull_requests_are_read() -> None:
    push = read_azure(AZURE_PUSH)
    assert (push.delivery_id, push.ref, push.before, push.after) == ("03c164c2", "refs/heads/main", OLD, NEW)
    assert push.repository_urls == ("https://dev.azure.com/fabrikam/Fiber/_git/models",)
    resource = {
        "repository": AZURE_REPOSITORY, "pullRequestId": 1, "sourceRefName": "refs/heads/tune",
        "targetRefName": "refs/heads/main", "lastMergeSourceCommit": {"commitId": NEW},
    }  # fmt: skip
    request = read_azure({**AZURE_PUSH, "eventType": "git.pullrequest.updated", "resource": resource})
    assert request.pull_request == PullRequest(1, NEW, "refs/heads/tune", "refs/heads/main")
    assert read_azure({**AZURE_PUSH, "eventType": "workitem.created"}).event == "ignored"


def test_an_azure_devops_delivery_of_another_publisher_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        read_azure({**AZURE_PUSH, "publisherId": "rm"})


@pytest.mark.parametrize(
    "headers", [{}, basic("wrong"), {"authorization": "Bearer x"}, {"authorization": "Basic \u00e9"}]
)
def test_wrong_basic_authentication_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        verify_and_parse("azure-devops", headers, json.dumps(AZURE_PUSH).encode(), (SECRET,), NOW)


GENERIC = {"repository": "https://git.example.com/models.git", "ref": "refs/heads/main", "after": NEW}


def test_a_generic_push_signed_by_the_standard_webhooks_library_is_read() -> None:
    headers, body = standard(GENERIC)
    headers["webhook-signature"] = "v1,AAAA v2,BBBB " + headers["webhook-signature"]
    delivery = verify_and_parse("generic", headers, body, ("other", WHSEC), NOW)
    assert (delivery.delivery_id, delivery.after, delivery.before) == ("msg_1", NEW, None)


@pytest.mark.parametrize("age_s", [-301, 301])
def test_a_stale_generic_push_is_refused(age_s: int) -> None:
    headers, body = standard(GENERIC, NOW - timedelta(seconds=age_s))
    with pytest.raises(Unauthorized, match="webhook-timestamp"):
        verify_and_parse("generic", headers, body, (WHSEC,), NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook-id", "msg_2"), ("webhook-timestamp", "1e9"), ("webhook-signature", "v1a,AAAA"), ("webhook-id", "")],
)
def test_a_changed_generic_header_is_refused(name: str, value: str) -> None:
    headers, body = standard(GENERIC)
    with pytest.raises(SlipwayError) as caught:
        verify_and_parse("generic", {**headers, name: value}, body, (WHSEC,), NOW)
    assert caught.value.http_status == 401
