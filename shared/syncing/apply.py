"""Makes declared files so: each all or nothing, in the order of what refers to what."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from shared.errors import Fault, Invalid, SlipwayError
from shared.registry.adoption import check_age
from shared.resources.base import Cause, ResourceKey
from shared.resources.declared import ASSET_KINDS, DeclaredSpec, NestedDeclaration
from shared.resources.kinds import KINDS
from shared.resources.model import KIND as MODEL
from shared.resources.monitor import KIND as MONITOR
from shared.resources.sync import Change, FileOutcome, FileResult, Provenance
from shared.syncing.assets import plan_asset, write_asset
from shared.syncing.content import described, files_named
from shared.syncing.loading import DeclaredFile, load_files
from shared.syncing.models import ModelApplier
from shared.syncing.monitors import check_monitor, note_on_monitor
from shared.syncing.mutable import write_mutable
from shared.syncing.plan import OWN, Asked, Create, Keep, Refuse, Step, Update, decide_mutable
from shared.syncing.references import awaited_of
from shared.syncing.removal import remove_gone
from shared.syncing.resolver import Resolver
from shared.syncing.tree import SourceTree
from shared.syncing.world import World

MAX_SPEC_BYTES = 500_000  # it stands in the history too, and a commit takes 2 MB


async def apply_tree(
    tree: SourceTree,
    paths: Sequence[str] | None,
    provenance: Provenance,
    world: World,
    cause: Cause,
    *,
    dry_run: bool = False,
    prune: bool = False,
) -> tuple[FileOutcome, ...]:
    """Make what the files at `paths` declare so (None: every YAML file of the tree), in the order of dependency, all or
    nothing for each file; with `prune`, what files declared that are gone from the tree goes too. `dry_run` only says
    what would be done. Comes out: one outcome a file, by path, then those of the removed.

    Doing it again changes nothing. A refused file is an outcome, never an exception; raises Retryable when a store
    can't answer now (what was done by then stays done), Invalid for more than MAX_FILES declared files."""
    files, outcomes = load_files(tree, paths)
    applier = _Applier(tree, provenance, world, cause, dry_run)
    for outcome in outcomes:
        applier.resolver.note(outcome)
    for file in files:
        outcome = await applier.apply(file)
        applier.resolver.note(outcome)
        outcomes.append(outcome)
    told = [await applier.with_note(outcome, files) for outcome in outcomes]
    done = sorted(told, key=lambda one: one.path)
    if prune:
        declared = {file.identity for file in files} | {(one.kind, one.name, one.version) for one in done}
        done += await remove_gone(tree, declared, provenance, world, cause, dry_run=dry_run)
    return tuple(done)


class _Applier:
    """Applies one file after the other."""

    def __init__(self, tree: SourceTree, provenance: Provenance, world: World, cause: Cause, dry_run: bool) -> None:
        self.tree = tree
        self.provenance = provenance
        self.world = world
        self.cause = cause
        self.dry_run = dry_run
        self.resolver = Resolver(world.store, world.registry)
        self.models = ModelApplier(tree, provenance, world, cause)

    async def apply(self, file: DeclaredFile) -> FileOutcome:
        """What became of one file. Raises Retryable."""
        try:
            references = await self.resolver.references_of(file)
            if file.kind == MODEL:
                outcome, step = await self.models.apply(file, dry_run=self.dry_run)
            else:
                step = await self._declared(file, references)
                outcome = _outcome(file, step)
        except SlipwayError as error:
            if error.http_status >= 500 and error.http_status != 501:
                raise
            faults = error.faults or (file.source.fault("", error.message),)
            reason = f"{error.message}; {error.remedy}" if error.remedy else error.message
            return file.refused(reason, faults)
        return _with_why(file, outcome, step) if isinstance(step, Refuse) else outcome

    async def with_note(self, outcome: FileOutcome, files: Sequence[DeclaredFile]) -> FileOutcome:
        """The outcome with what is not as one may think: an endpoint's says which deployments it names that are not
        there yet, a monitor's who is not told."""
        file = next((one for one in files if one.path == outcome.path), None)
        if file is None or outcome.result == FileResult.REFUSED:
            return outcome
        note = note_on_monitor(file, self.world) or await self._awaited(file)
        return outcome.model_copy(update={"reason": note}) if note else outcome

    async def _awaited(self, file: DeclaredFile) -> str:
        if not file.kind.endswith("-endpoint"):
            return ""
        kind = file.kind.replace("-endpoint", "-deployment")
        awaited = [
            name for name in awaited_of(file.kind, file.declaration) if not await self.resolver.exists(kind, name)
        ]
        names = ", ".join(name.partition(".")[2] for name in awaited)
        return f"it names deployments that do not exist yet: {names}" if awaited else ""

    async def _declared(self, file: DeclaredFile, references: list[str]) -> Step:
        key = ResourceKey(file.kind, file.name)
        if file.kind == MONITOR:
            await check_monitor(file, self.world)
        asked = await self._asked(file, references, keep=False)
        if file.kind in ASSET_KINDS:
            step = await plan_asset(key, asked, self.world.store)
        else:
            step = decide_mutable(asked, await self.world.store.read(key))
        if self.dry_run or isinstance(step, Keep | Refuse):
            return step
        begun = self.world.clock.now()
        asked = await self._asked(file, references, keep=True)
        check_age(begun, self.world.clock.now(), self.world.settings.artifact_retention_s)
        write = write_asset if file.kind in ASSET_KINDS else write_mutable
        properties = {**_declared_properties(file), **asked.provenance}
        unfinished = KINDS[file.kind].reconciled
        return await write(key, asked, self.world, self.cause, properties=properties, unfinished=unfinished)

    async def _asked(self, file: DeclaredFile, references: list[str], *, keep: bool) -> Asked:
        """What the file declares; with `keep` the files that it names are stored."""
        folder = posixpath.dirname(file.path)
        named = files_named(self.tree, file.locals, without=(file.path, *file.nested))
        files = await described(self.tree, named, folder, self.world.artifacts if keep else None)
        spec = DeclaredSpec(
            form=file.declared.form.name,
            declaration=file.declaration,
            nested=_nested(file, folder),
            files=files,
            references=references,
        ).model_dump(mode="json")
        _check_size(file, spec)
        declaration = file.declared.declaration
        return Asked(
            spec,
            file.version,
            getattr(declaration, "description", None),
            getattr(declaration, "tags", None) or {},
            {key: value for key, value in _declared_properties(file).items() if not key.startswith(OWN)},
            self.provenance.properties(file.path, file.line),
        )


def _declared_properties(file: DeclaredFile) -> dict[str, str]:
    """The declared properties, as texts."""
    found = getattr(file.declared.declaration, "properties", None) or {}
    return {str(key): value if isinstance(value, str) else str(value) for key, value in found.items()}


def _nested(file: DeclaredFile, folder: str) -> dict[str, NestedDeclaration]:
    found: dict[str, NestedDeclaration] = {}
    left = list(file.declared.nested)
    while left:
        one = left.pop()
        left += one.nested
        dumped = one.declaration.model_dump(mode="json", by_alias=True, exclude_unset=True)
        path = posixpath.relpath(one.source.file, folder or ".")
        found[path] = NestedDeclaration(form=one.form.name, declaration=dumped)
    return dict(sorted(found.items()))


def _check_size(file: DeclaredFile, spec: dict[str, object]) -> None:
    import json

    size = len(json.dumps(spec))
    if size > MAX_SPEC_BYTES:
        fault = file.source.fault("", f"it has {size} bytes with all it names", f"at most {MAX_SPEC_BYTES} bytes")
        raise Invalid("the declaration is too large", faults=(fault,), remedy="name fewer files")


def _outcome(file: DeclaredFile, step: Step) -> FileOutcome:
    results = {Create: FileResult.CREATED, Update: FileResult.UPDATED, Keep: FileResult.UNCHANGED}
    result = results.get(type(step), FileResult.REFUSED)
    version = step.version if isinstance(step, Create | Update | Keep) else file.version
    changes: list[Change] = [] if isinstance(step, Keep) else list(step.changes)
    return file.outcome(result, version=version, changes=changes)


def _with_why(file: DeclaredFile, outcome: FileOutcome, step: Refuse) -> FileOutcome:
    """The refusal with a fault for each key that would have to change."""
    faults: list[Fault] = []
    for change in step.changes:
        pointer = change.pointer.removeprefix("/declaration")
        faults.append(file.source.fault(pointer, f"is {_short(change.before)}, declared is {_short(change.after)}"))
    faults = faults or [file.source.fault("/version", step.reason)]
    faults = [Fault(f.message, f.pointer, f.file, f.line, f.column, step.allowed) for f in faults]
    return outcome.model_copy(update={"reason": step.reason, "faults": [fault.as_dict() for fault in faults]})


def _short(value: object) -> str:
    text = "not there" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
