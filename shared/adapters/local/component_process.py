"""The command of a custom signal on this machine: a process of its environment, in a folder of its own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from shared.adapters.local.builds import Say
from shared.adapters.local.job_following import followed
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.statistics import fetch
from shared.datasets.layout import FORMATS
from shared.errors import Permanent
from shared.paths import PATH_RULE, is_valid_path
from shared.ports import ComponentRun, JobPhase, JobReason, JobSpec, ReadFile
from shared.ports.jobs import FILES_VARIABLE
from shared.resources.data_profile import DataTable
from shared.resources.monitor_request import DataFile, DataSet

METRICS = "signal_metrics"
SCRIPT = "command.sh"
ENDS_WITHIN_S = 5.0  # between SIGTERM and SIGKILL, when it takes too long
MAX_FILES = 100  # that it writes
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_BINDING = re.compile(r"\$\{\{\s*(inputs|outputs)\.([a-zA-Z0-9_]+)\s*\}\}")


class ComponentProcess:
    """One run of a component, as the job of that name. `place` is an empty folder that is its own."""

    def __init__(self, run: ComponentRun, place: Path, jobs: LocalJobRunner, job: str, timeout_s: float) -> None:
        self._run, self._place, self._timeout_s = run, place, timeout_s
        self._jobs, self._job = jobs, job
        self._paths: dict[str, Path] = {}  # of inputs that are data

    async def prepare(
        self, read_file: ReadFile, inputs: Mapping[str, DataSet], tables: Mapping[str, DataTable]
    ) -> None:
        """Put its code and its data into the folder: of an asset the files by their names, else what was collected."""
        for file in self._run.files:
            await _put(file.path, file.sha256, read_file, self._place / "code")
        for name, data in inputs.items():
            folder = self._place / "inputs" / name
            folder.mkdir(parents=True)
            parts = tables[name].parts if name in tables else []
            names = [_name(part.file.path, n) for n, part in enumerate(parts)]
            names = names or [f"{n}.jsonl" for n in range(len(data.files))]
            for path, read in zip(names, data.files, strict=True):
                target = _inside(folder, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(read.path)
            only = _inside(folder, names[0]) if len(names) == 1 else folder
            self._paths[name] = folder if name in self._run.folders else only

    async def metrics(self, say: Say) -> list[DataFile]:
        """The files of metrics that it wrote. Raises Permanent with the end of what it printed when it does not end
        well, and when it wrote none."""
        written = self._place / "outputs" / METRICS
        written.mkdir(parents=True)
        if not self._run.environment.startswith("/"):
            raise Permanent("its environment is an image, which signals are not run in here: declare pip or conda_file")
        python = Path(self._run.environment) / "bin" / "python"
        if not python.exists():
            raise Permanent("the environment is not on this machine any more; build it: `slipway environment build`")
        await self._to_its_end(self._command(written), python.parent, say)
        found = [path for path in sorted(written.rglob("*")) if path.is_file() and path.suffix.lower() in FORMATS]
        if not found or len(found) > MAX_FILES:
            ends = ", ".join(FORMATS)
            raise Permanent(f"it wrote {len(found)} files of metrics; write one to ${{{{outputs.{METRICS}}}}}: {ends}")
        how = {path: FORMATS[path.suffix.lower()] for path in found}
        return [DataFile(path=str(path), format=form, delimiter=mark) for path, (form, mark) in how.items()]

    def _command(self, written: Path) -> str:
        """With every value quoted for the shell."""
        values = {**self._run.values, **{name: str(path) for name, path in self._paths.items()}}

        def kept(found: re.Match[str]) -> str:
            named = [name for root, name in _BINDING.findall(found[1]) if root == "inputs"]
            return found[1] if all(name in values for name in named) else ""

        def put(found: re.Match[str]) -> str:
            return shlex.quote(str(written) if found[1] == "outputs" else values[found[2]])

        return _BINDING.sub(put, _OPTIONAL.sub(kept, self._run.command))

    async def _to_its_end(self, command: str, commands: Path, say: Say) -> None:
        folder = _inside(self._place / "code", self._run.code) if self._run.code else self._place / "code"
        folder.mkdir(parents=True, exist_ok=True)
        own = {"PATH": f"{commands}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self._place), "LANG": "C.UTF-8"}
        spec = JobSpec(
            self._job,
            ("/bin/sh", f"$({FILES_VARIABLE})/{SCRIPT}"),
            environ={**self._run.variables, **own},
            files={SCRIPT: f"cd {shlex.quote(str(folder))} || exit\n{command}\n".encode()},
            timeout_s=self._timeout_s,
            stop_timeout_s=ENDS_WITHIN_S,
        )
        ended = await followed(self._jobs, spec, say)
        if ended.reason is JobReason.DEADLINE_EXCEEDED:
            raise Permanent(f"the component did not end within {self._timeout_s:.0f} s")
        if ended.phase is not JobPhase.SUCCEEDED:
            raise Permanent(f"the component failed: {ended.message}: {ended.log.strip()[-2000:]}")


async def _put(path: str, sha256: str, read_file: ReadFile, folder: Path) -> None:
    target = _inside(folder, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    await fetch(sha256, read_file, target)


def _name(path: str, number: int) -> str:
    """The file's own, unless it lies outside of the folder of its declaration."""
    return path if is_valid_path(path) else f"{number}-{Path(path).name}"


def _inside(folder: Path, path: str) -> Path:
    """A place in the folder. Raises Permanent for a path that leads out of it."""
    if not is_valid_path(path):
        raise Permanent(f"the path {path[:100]!r} is not accepted here; allowed: {PATH_RULE}")
    return folder / path
