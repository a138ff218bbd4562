"""The locked environment of a kind of model: declared by its table, locked and built like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.environments.lock import Pin
from shared.environments.requirements import checked, of_list
from shared.environments.resolve import resolve
from shared.environments.running import run_streamed
from shared.errors import NotFound, NotSupported, Permanent
from shared.optimization.kinds import SourceKind
from shared.optimization.sandbox import Say
from shared.ports import BuildRequest, EnvironmentBuilder
from shared.resources.environment import DEFAULT_PYTHON
from shared.resources.environment_build import EnvironmentRecipe

LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment that workers can run in."""

    folder: Path  # bin/python is below
    identity: str
    pins: tuple[Pin, ...]


async def environment_of(
    kind: SourceKind,
    builder: EnvironmentBuilder,
    *,
    framework_version: str | None = None,
    former: Sequence[Pin] = (),
    index_url: str = "",
    timeout_s: float = 1800.0,
    say: Say = lambda line: None,
) -> BuiltEnvironment:
    """The kind's environment, built unless it is there; pins of `former` are kept where they still fit. Raises Invalid
    when the requirements cannot be met, Retryable when the index does not answer, NotSupported for a builder whose
    environments are no folders here, Permanent with the reason when the build fails or takes longer than the time."""
    wanted = checked(of_list(kind.pip(framework_version)))
    say(f"locking the environment for {kind.title}")
    pins = await resolve(wanted, DEFAULT_PYTHON, former=former, index_url=index_url, timeout_s=timeout_s)
    recipe = EnvironmentRecipe(python_version=DEFAULT_PYTHON, lock=[pin.line.strip() for pin in pins])
    location = await _build(BuildRequest(recipe, _no_file, timeout_s), builder, say)
    folder = Path(location)
    if not (folder / "bin" / "python").exists():
        raise NotSupported(f"{location} is no environment of this machine", remedy="optimise where environments are")
    await _compile(folder, say)
    return BuiltEnvironment(folder, recipe.identity, pins)


async def _build(request: BuildRequest, builder: EnvironmentBuilder, say: Say) -> str:
    identity, run_id = request.recipe.identity, ""
    try:
        async with asyncio.timeout(request.timeout_s):
            say(f"building the environment {identity[:12]}, unless it is there")
            while (found := await builder.advance(request, run_id)).state in ("Queued", "Running"):
                run_id = found.run_id
                await asyncio.sleep(LOOK_S)
    except (TimeoutError, asyncio.CancelledError) as error:
        await builder.cancel(identity, run_id)
        if isinstance(error, TimeoutError):
            raise Permanent(f"building the environment took longer than {request.timeout_s:g} s") from error
        raise
    if found.state != "Succeeded":
        raise Permanent(f"the environment cannot be built: {found.reason or found.state}")
    return found.location


async def _compile(folder: Path, say: Say) -> None:
    """Keep the packages' bytecode: workers cannot write it, and would compile everything anew for each model, which
    takes longer than what they do. The seal of an environment leaves it out."""
    done = folder / "__pycache__" / "slipway-compiled"
    if done.exists():
        return
    say("compiling the environment's packages")
    command = (folder / "bin" / "python", "-I", "-m", "compileall", "-q", "-j", "0", folder / "lib")
    await run_streamed(command, folder, {}, None)  # files for other versions of Python are said to be wrong: let be
    done.parent.mkdir(exist_ok=True)
    done.touch()


async def _no_file(sha256: str) -> AsyncIterator[bytes]:
    """These environments have no build context."""
    raise NotFound(f"{sha256} is no file of this environment")
    yield b""
