"""Settings: nothing wrong, unknown or forgotten passes in silence."""

from __future__ import annotations

import pytest

from shared.errors import Invalid
from shared.settings import load_settings

AZURE = {
    "SLIPWAY_MODE": "azure",
    "SLIPWAY_COSMOS_ENDPOINT": "https://a.documents.azure.com",
    "SLIPWAY_BLOB_ACCOUNT_URL": "https://a.blob.core.windows.net",
    "SLIPWAY_QUEUE_ACCOUNT_URL": "https://a.queue.core.windows.net",
    "SLIPWAY_EVENTGRID_ENDPOINT": "https://t.westeurope-1.eventgrid.azure.net/api/events",
    "WEBSITE_SITE_NAME": "slipway",
    "WEBSITE_INSTANCE_ID": "instance-1",
}


def test_defaults_are_those_of_one_machine() -> None:
    settings = load_settings({})
    assert (settings.mode, settings.instance_id, settings.easy_auth) == ("local", "local", False)


def test_azure_needs_its_endpoints() -> None:
    assert load_settings(AZURE).instance_id == "instance-1"


def test_hosts_on_azure_that_the_platform_gives_no_name_do_not_pass_for_each_other() -> None:
    nameless = {name: value for name, value in AZURE.items() if name != "WEBSITE_INSTANCE_ID"}
    assert load_settings(nameless).instance_id != load_settings(nameless).instance_id
    without = {name: value for name, value in AZURE.items() if name != "SLIPWAY_COSMOS_ENDPOINT"}
    with pytest.raises(Invalid, match="SLIPWAY_COSMOS_ENDPOINT"):
        load_settings(without)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SLIPWAY_MANIFEST_DEADLINE_S": "soon"}, "SLIPWAY_MANIFEST_DEADLINE_S"),
        ({"SLIPWAY_MOED": "azure"}, "SLIPWAY_MOED"),
        ({"WEBSITE_SITE_NAME": "slipway"}, "SLIPWAY_MODE"),
    ],
)
def test_wrong_unknown_and_forgotten_settings_are_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(Invalid, match=named):
        load_settings(environ)


def test_variables_of_others_are_left_alone() -> None:
    load_settings({"SLIPWAY_QUEUE__queueServiceUri": "https://x", "SLIPWAY_URL": "http://x", "SLIPWAY_KEY": "k"})


def test_on_azure_only_the_platform_vouches_for_the_client_principal() -> None:
    assert not load_settings({**AZURE, "SLIPWAY_EASY_AUTH": "true"}).easy_auth
    assert load_settings({**AZURE, "WEBSITE_AUTH_ENABLED": "True"}).easy_auth
