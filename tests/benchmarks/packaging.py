"""Packaging a 500 MB model as an image, against `tar -cf - | sha256sum` of the same folder, which writes nothing."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.report import BUILD, ROOT, Result, Table, clean_environment, spread

SIZE_BYTES = 500_000_000
GOAL_RATE, GOAL_MB = 60, 200
BASELINE, PACKAGED = "tar | sha256sum", "packaged"
# The whole process: Python's start and imports, layer, config, manifest and index, all written.
_PACKAGE = """
import sys
from pathlib import Path
from shared.packaging.image import ImageConfig, assemble, write_index
from shared.packaging.layer import folder_entries, write_layer
source, layout = Path(sys.argv[1]), Path(sys.argv[2])
layer = write_layer(folder_entries(source, "var/azureml-app/azureml-models/large/1"), layout, compressed=False)
image = assemble(layout, [layer], ImageConfig(user="65532"), base=None)
write_index(layout, [image], "1")
status = Path("/proc/self/status").read_text().splitlines()
print(image.digest, next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


async def measure(quick: bool) -> Result:
    """Both in turn; each packaging into a fresh layout. All must give one digest."""
    BUILD.mkdir(parents=True, exist_ok=True)
    size_bytes, rounds = (SIZE_BYTES // 10, 2) if quick else (SIZE_BYTES, 9)
    free_bytes = shutil.disk_usage(BUILD).free
    assert free_bytes > 3 * size_bytes, f"{free_bytes} bytes are free, not three models' worth"
    seconds: dict[str, list[float]] = {BASELINE: [], PACKAGED: []}
    peaks_mb, digests = [], set()
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="packaging-") as name:
        model, layout = Path(name) / "model", Path(name) / "layout"
        _make(model, size_bytes)
        for _ in range(rounds + 1):
            seconds[BASELINE].append(_tar(model))
            took, digest, peak_mb = _package(model, layout)
            seconds[PACKAGED].append(took)
            peaks_mb.append(peak_mb)
            digests.add(digest)
    assert len(digests) == 1, digests
    seconds = {case: each[1:] for case, each in seconds.items()}  # the first fills the page cache
    samples = {"size_bytes": size_bytes, "seconds": seconds, "peak_mb": peaks_mb}
    return Result("packaging", [_table(seconds, peaks_mb, size_bytes)], samples)


def _make(folder: Path, size_bytes: int) -> None:
    """One file of noise, as weights are, and a small one beside it."""
    folder.mkdir()
    with (folder / "model.onnx").open("wb") as file:
        for _ in range(size_bytes // 1_000_000):
            file.write(os.urandom(1_000_000))
        os.fsync(file.fileno())
    (folder / "MLmodel").write_text("flavors: {}\n")


def _tar(folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(f"tar -C '{folder}' -cf - . | sha256sum", shell=True, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _package(folder: Path, layout: Path) -> tuple[float, str, float]:
    """Seconds, the image's digest, and the peak memory of the process in MB."""
    command = [sys.executable, "-c", _PACKAGE, str(folder), str(layout)]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    shutil.rmtree(layout)
    digest, peak_kib = done.stdout.split()
    return took, digest, int(peak_kib) * 1024 / 1e6


def _table(seconds: dict[str, list[float]], peaks_mb: list[float], size_bytes: int) -> Table:
    shares = [plain / ours * 100 for plain, ours in zip(seconds[BASELINE], seconds[PACKAGED], strict=True)]
    rows = [
        (
            title,
            spread(seconds[case], ".2f"),
            f"{size_bytes / statistics.median(seconds[case]) / 1e6:.0f}",
            f"{spread(shares)} %" if case == PACKAGED else "",
            f"{max(peaks_mb):.0f}" if case == PACKAGED else "",
        )
        for case, title in (
            (BASELINE, "`tar -cf -` piped into `sha256sum`, nothing written"),
            (PACKAGED, "packaged: layer, config, manifest and index written"),
        )
    ]
    columns = ("case", "seconds", "MB/s", "of tar's rate", "peak MB")
    note = (
        f"{len(shares)} interleaved rounds of whole processes, Python's start included; the model is in the page "
        "cache, what is written is not synced to the disk. "
        f"Goals: at least {GOAL_RATE} %, under {GOAL_MB} MB."
    )
    return Table(f"A model of {size_bytes / 1e6:.0f} MB", columns, rows, note)
