"""Where collected data may go, and that a SAS is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.scoring.collector.destination import BlobPlace, destination_of
from shared.scoring.errors import StartError
from shared.scoring.settings import Hidden, Settings, from_environment

ACCOUNT = {"AZURE_STORAGE_ACCOUNT": "acc"}
BLOB = "https://acc.blob.core.windows.net"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("collected", Path("collected")),
        (f"{BLOB}/c?sv=1&sig=a%3D", BlobPlace(f"{BLOB}/c", Hidden("sv=1&sig=a%3D"))),
        (f"{BLOB}/c/deep/", BlobPlace(f"{BLOB}/c/deep")),
        ("az://c/deep", BlobPlace(f"{BLOB}/c/deep")),
        ("az://c?sig=x", BlobPlace(f"{BLOB}/c", Hidden("sig=x"))),
        ("http://127.0.0.1:10000/acc/c?sig=x", BlobPlace("http://127.0.0.1:10000/acc/c", Hidden("sig=x"))),
    ],
)
def test_folders_and_containers(text: str, expected: Path | BlobPlace | None) -> None:
    assert destination_of(text, None, ACCOUNT) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{BLOB}?sig=secret", "collected data go to a folder, or to https"),
        ("ftp://acc/c?sig=secret", "collected data go to a folder, or to https"),
        ("http://example.test/c?sig=secret", "by https only"),
        ("https://user:secret@acc.blob.core.windows.net/c", "more than is expected"),
        (f"{BLOB}/a b?sig=secret", "not percent-encoded"),
        (f"{BLOB}/c?sig=sec ret", "that is no SAS"),
        (f"{BLOB}/c?secret", "that is no SAS"),
        ("http://127.0.0.1:10000/acc/c", "give a SAS"),
    ],
)
def test_what_is_refused_shows_no_secret(text: str, message: str) -> None:
    with pytest.raises(StartError, match=message) as caught:
        destination_of(text, None, ACCOUNT)
    assert "sec" not in str(caught.value).replace("secure", "")


def test_az_needs_the_account() -> None:
    with pytest.raises(StartError, match="AZURE_STORAGE_ACCOUNT"):
        destination_of("az://c?sig=x", None, {})


def test_a_file_with_the_sas_is_checked_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "sas"
    with pytest.raises(StartError, match="No such file"):
        destination_of(f"{BLOB}/c", file, {})
    file.write_text("no sas\n")
    with pytest.raises(StartError, match="that is no SAS"):
        destination_of(f"{BLOB}/c", file, {})
    file.write_text("?sv=1&sig=x\n")
    assert destination_of(f"{BLOB}/c", file, {}) == BlobPlace(f"{BLOB}/c", sas_file=str(file))
    with pytest.raises(StartError, match="give one of them"):
        destination_of(f"{BLOB}/c?sig=y", file, {})


def test_settings_show_no_sas() -> None:
    settings = from_environment({"SLIPWAY_SCORING_COLLECT_URL": f"{BLOB}/c?sig=secret"})
    assert isinstance(settings, Settings)
    assert "secret" not in repr(settings)
    assert "secret" not in repr(destination_of(settings.collect_url, None, {}))
