"""Runs of monitors and profiles of data in jobs of a cluster."""

from __future__ import annotations

import hashlib

from shared.adapters.jobs.works import JobWorks, log_of
from shared.errors import Permanent
from shared.ports import (
    ComponentRun,
    DataProfileProgress,
    DataProfileRequest,
    MonitorProgress,
    MonitorRunRequest,
    StoredProfile,
    WindowSketchProgress,
    WindowSketchRequest,
)
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.job_work import (
    AssetWork,
    ComponentWork,
    DataProfileOutcome,
    DataProfileWork,
    MonitorRunOutcome,
    MonitorRunWork,
    WindowSketchOutcome,
    WindowSketchWork,
)

AN_IMAGE = "the component's environment is an image as it is, which cannot be made in a job: declare its packages"


class JobMonitorRunner:
    """A MonitorRunner."""

    def __init__(self, works: JobWorks, timeout_s: float, index_url: str = "") -> None:
        self._works = works
        self._index_url = index_url
        self._timeout_s = timeout_s

    async def advance(self, request: MonitorRunRequest, run_id: str) -> MonitorProgress:
        """See MonitorRunner. A custom signal whose environment cannot be made keeps no other from being calculated."""
        name = request.request.run_id
        seen = await self._works.look(name, self._work(request), run_id)
        if not seen.has_ended:
            return MonitorProgress(name, log_of(seen))
        try:
            outcome = await self._works.outcome(seen, MonitorRunOutcome)
        except Permanent as error:
            return MonitorProgress(name, log_of(seen), error=str(error))
        return MonitorProgress(name, log_of(seen), outcome.result, outcome.error, tuple(outcome.outdated))

    async def cancel(self, monitor_run_id: str) -> None:
        """See MonitorRunner."""
        await self._works.cancel(monitor_run_id)

    async def profile(self, request: DataProfileRequest) -> DataProfileProgress:
        """See MonitorRunner. The job is named by what is read, too: what came of the same reading is the same."""
        table, profile_id = request.table, request.profile_id
        work = DataProfileWork(profile_id=profile_id, label=request.label, table=table, timeout_s=self._timeout_s)
        name = f"{profile_id}-{hashlib.sha256(table.model_dump_json().encode()).hexdigest()[:12]}"
        seen = await self._works.look(name, work, name)
        if not seen.has_ended:
            return DataProfileProgress(name, log_of(seen))
        try:
            outcome = await self._works.outcome(seen, DataProfileOutcome)
        except Permanent as error:
            await self._works.forget(name)
            return DataProfileProgress(name, log_of(seen), error=str(error))
        if outcome.profile is None or outcome.profile_file is None or outcome.sketch_file is None:
            await self._works.forget(name)
            return DataProfileProgress(name, log_of(seen), error=outcome.error or "it was ended")
        stored = StoredProfile(outcome.profile, outcome.profile_file, outcome.sketch_file)
        return DataProfileProgress(name, log_of(seen), stored)

    async def sketch(self, request: WindowSketchRequest) -> WindowSketchProgress:
        """See MonitorRunner."""
        name = request.sketch_id
        work = WindowSketchWork(
            sketch_id=name,
            collection=request.collection,
            folder=request.folder,
            baselines=list(request.baselines),
            timeout_s=self._timeout_s,
        )
        seen = await self._works.look(name, work, name)
        if not seen.has_ended:
            return WindowSketchProgress(name, log_of(seen))
        try:
            found = await self._works.outcome(seen, WindowSketchOutcome)
        except Permanent as error:
            return WindowSketchProgress(name, log_of(seen), error=str(error))
        return WindowSketchProgress(name, log_of(seen), found.outcome, found.error)

    def _work(self, asked: MonitorRunRequest) -> MonitorRunWork:
        request = asked.request.model_copy(deep=True)
        components = {}
        for signal in request.signals:
            if (run := asked.components.get(signal.name)) is None:
                continue
            if run.recipe is None:
                signal.unavailable, signal.inputs = AN_IMAGE, {}
            else:
                components[signal.name] = _component(run, run.recipe)
        return MonitorRunWork(
            request=request,
            collected=dict(asked.collected),
            assets={label: AssetWork(table=one.table, sketch=one.sketch) for label, one in asked.assets.items()},
            reading_rows=sorted(asked.reading_rows),
            windows={name: list(several) for name, several in asked.windows.items()},
            components=components,
            index_url=self._index_url,
            timeout_s=self._timeout_s,
        )


def _component(run: ComponentRun, recipe: EnvironmentRecipe) -> ComponentWork:
    return ComponentWork(
        command=run.command,
        values=dict(run.values),
        folders=sorted(run.folders),
        variables=dict(run.variables),
        files=list(run.files),
        code=run.code,
        recipe=recipe,
    )
