"""The rows of data assets read once, on this machine: a profile and a sketch come out, and are stored."""

from __future__ import annotations

from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.statistics import calculate, chunks_of, fetched, names_of, work_folder
from shared.errors import Permanent
from shared.ports import DataProfileProgress, DataProfileRequest, StoredProfile
from shared.resources.build import StoredText
from shared.resources.data_profile import DataProfile
from shared.resources.monitor_request import DataSet

WORKER = "shared.monitoring.sketch"
MAX_COLUMNS = 5000


class LocalDataProfiler:
    """The part of a MonitorRunner that profiles. What a control plane that ended began is begun again by the next one,
    and comes to the same."""

    def __init__(self, folder: Path, timeout_s: float) -> None:
        self._folder = folder.resolve()
        self._timeout_s = timeout_s
        self._builds = LocalBuilds(self._folder)
        self._jobs = LocalJobRunner(self._folder / "jobs")
        self._stored: dict[str, StoredProfile] = {}  # what came out of readings that nobody has looked at yet

    async def profile(self, request: DataProfileRequest) -> DataProfileProgress:
        """See MonitorRunner."""
        name = request.profile_id
        progress = await self._builds.look(name, lambda say: self._read(request, say))
        if progress.state == "Running":
            return DataProfileProgress(progress.run_id, progress.log)
        self._builds.forget(name)
        stored = self._stored.pop(name, None)
        if stored is None:
            return DataProfileProgress(progress.run_id, progress.log, error=progress.reason or "it was ended")
        return DataProfileProgress(progress.run_id, progress.log, stored)

    async def _read(self, asked: DataProfileRequest, say: Say) -> Made:
        with work_folder(self._folder, asked.profile_id) as work:
            table = asked.table
            files = await fetched(table, asked.read_file, work)
            say(f"{len(files)} files of {asked.label}")
            data = DataSet(
                label=asked.label,
                files=files,
                only_columns=table.only_columns,
                without_columns=table.without_columns,
            )
            paths = [work / name for name in ("data.json", "baseline.sketch", "profile.json")]
            paths[0].write_text(data.model_dump_json())
            await calculate(self._jobs, asked.profile_id, WORKER, paths, self._timeout_s, names_of(table, files))
            profile = DataProfile.model_validate_json(paths[2].read_bytes())
            if len(profile.columns) > MAX_COLUMNS:
                raise Permanent(f"it has {len(profile.columns)} columns, at most {MAX_COLUMNS} are profiled")
            kept = [await asked.keep_file(chunks_of(path)) for path in paths[1:]]
            sketch, text = [StoredText(sha256=one.sha256, size_bytes=one.size_bytes) for one in kept]
            self._stored[asked.profile_id] = StoredProfile(profile, text, sketch)
            say(f"{profile.rows} rows, {len(profile.columns)} columns")
            return Made("", sketch.size_bytes)
