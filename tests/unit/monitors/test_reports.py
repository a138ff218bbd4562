"""Reports of runs."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from shared.monitors.__main__ import main
from shared.monitors.report_html import report_html
from shared.monitors.report_markdown import report_markdown
from shared.resources.monitor_result import (
    DataCounts,
    Distribution,
    FeatureResult,
    MetricValue,
    MonitorResult,
    SignalResult,
    Verdict,
)

CHROMIUM = shutil.which("chromium")
HOSTILE = "</style><script src=//evil>|*x*\n"


def feature(name: str, value: float, distribution: Distribution) -> FeatureResult:
    verdict = Verdict.BREACHED if value > 0.1 else Verdict.HEALTHY
    metric = MetricValue(metric="jensen_shannon_distance", value=value, threshold=0.1, verdict=verdict)
    return FeatureResult(name=name, type="numerical", metrics=[metric], distribution=distribution)


def result(day: int = 3, bmi: float = 0.4) -> MonitorResult:
    numbers = Distribution(edges=[0, 1, 2, 3], baseline=[0.2, 0.5, 0.3], current=[0.6, 0.3, 0.1])
    words = Distribution(categories=[f"c{n}" for n in range(40)], baseline=[1 / 40] * 40, current=[1 / 40] * 40)
    signal = SignalResult(
        name="drift",
        type="data_drift",
        baseline="patients:1",
        counts=DataCounts(files=2, rows=500, corrupt_lines=3),
        features=[feature("age", 0.02, words), feature("bmi", bmi, numbers), feature(HOSTILE, 0.2, numbers)],
    )
    created = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day)
    failed = SignalResult(name="quality", type="data_quality", reason="no data <b>")
    return MonitorResult(monitor="watch", run_id=f"r-{day}", created_at=created, signals=[signal, failed])


def test_the_page_stands_alone_and_says_first_what_is_worst() -> None:
    page = report_html(result(), [result(1, 0.05), result(2, 0.08)])
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    first = page[page.index("What to look at first") :]
    assert first.index("bmi") < first.index("&lt;/style&gt;")
    assert "no data &lt;b&gt;" in page
    assert "3 corrupt" in page
    assert "from run to run" in page
    assert "17 others" in page, "many categories are one bar"
    for part in page.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + part[: part.index("</svg>")] + "</svg>")


def test_a_run_that_found_nothing_says_so() -> None:
    page = report_html(MonitorResult(monitor="m", run_id="r", created_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert "Nothing is beyond its threshold." in page
    assert "NotEnoughData" in page


def test_markdown_has_no_markup_of_names() -> None:
    text = report_markdown(result())
    assert "1. drift, bmi: jensen\\_shannon\\_distance: 0.4 is above 0.1" in text
    assert "<script" not in text.replace("\\<", "")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_the_command_writes_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "result.json").write_text(result().model_dump_json())
    assert main([str(tmp_path / "result.json"), "--html", str(tmp_path / "report.html")]) == 0
    assert "# watch: Breached" in capsys.readouterr().out
    assert "<h1>watch" in (tmp_path / "report.html").read_text()
    (tmp_path / "result.json").write_text("{}")
    assert main([str(tmp_path / "result.json")]) == 1


def ground(picture: bytes) -> tuple[int, ...]:
    """The colour of the first pixel of a PNG: no filter of its row changes that one (PNG, 9.2)."""
    data, place = b"", 8
    while place < len(picture):
        size, kind = struct.unpack(">I4s", picture[place : place + 8])
        data += picture[place + 8 : place + 8 + size] if kind == b"IDAT" else b""
        place += 12 + size
    return tuple(zlib.decompressobj().decompress(data, 4)[1:4])


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
@pytest.mark.parametrize(
    ("scheme", "colour"),
    [("preferredColorScheme=1", (0xFB, 0xFA, 0xF7)), ("preferredColorScheme=0", (0x19, 0x1A, 0x1C))],
    ids=["light", "dark"],
)
def test_a_browser_draws_it_light_and_dark(tmp_path: Path, scheme: str, colour: tuple[int, ...]) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(report_html(result(), [result(1), result(2)]))
    asked = ["--headless", "--no-sandbox", "--disable-gpu", f"--blink-settings={scheme}", "--window-size=1200,1600"]
    asked += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
    subprocess.run([CHROMIUM or "", *asked, page.as_uri()], check=True, capture_output=True, timeout=60)
    drawn = picture.read_bytes()
    assert struct.unpack(">II", drawn[16:24]) == (1200, 1600)
    assert len(drawn) > 20_000, "an empty page is smaller"
    assert ground(drawn) == colour
