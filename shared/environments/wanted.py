"""What a declared environment asks for, read from its spec: pure but for the texts it names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.environments.conda import Conda, read_conda
from shared.environments.lock import Pin
from shared.environments.requirements import Requirement, checked, of_file, of_list
from shared.errors import Fault, Invalid
from shared.resources.declared import DeclaredSpec
from shared.resources.environment import DEFAULT_PYTHON, CondaFile
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.model import ModelFile

ReadText = Callable[[ModelFile], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an environment is to hold, before its requirements are locked."""

    os_type: str
    base_image: str | None  # as declared
    python_version: str  # that the requirements are locked for
    requirements: tuple[Requirement, ...]  # sorted; () for none
    conda_channels: tuple[str, ...]
    conda_packages: tuple[str, ...]
    context: tuple[ModelFile, ...]  # the files of a `build` context
    dockerfile_path: str | None

    def recipe(self, pins: Sequence[Pin], base_digest: str | None) -> EnvironmentRecipe:
        """What decides what the environment is, on a base of this digest (None: not known). Channels have no meaning
        without packages, nor has the Python of an image that is taken as it is."""
        has_python = bool(pins or self.conda_packages) or self.base_image is None
        return EnvironmentRecipe(
            os_type=self.os_type,
            base_image=self.base_image,
            base_digest=base_digest,
            python_version=self.python_version if has_python and not self.context else None,
            lock=[pin.line.strip() for pin in pins],
            conda_channels=list(self.conda_channels) if self.conda_packages else [],
            conda_packages=list(self.conda_packages),
            context=list(self.context),
            dockerfile_path=self.dockerfile_path,
        )


async def wanted_of(spec: DeclaredSpec, read_text: ReadText) -> Wanted:
    """What the declaration asks for; `read_text` gives a file that it names. Raises Invalid with a fault for each
    requirement and conda package that can't be used, and for what is not here (a URL, another workspace)."""
    said = spec.declaration
    conda = _conda(spec)
    requirements, python = await _requirements(spec, conda, read_text)
    build = said.get("build")
    return Wanted(
        os_type=str(said.get("os_type") or "linux"),
        base_image=said.get("image"),
        python_version=python or DEFAULT_PYTHON,
        requirements=checked(requirements),
        conda_channels=conda.channels if conda else (),
        conda_packages=conda.packages if conda else (),
        context=_context(spec, str(build["path"])) if build else (),
        dockerfile_path=str(build.get("dockerfile_path") or "Dockerfile") if build else None,
    )


async def _requirements(
    spec: DeclaredSpec, conda: Conda | None, read_text: ReadText
) -> tuple[list[Requirement], str | None]:
    said = spec.declaration
    pip = said.get("pip")
    if pip is None:
        return (list(conda.pip), conda.python_version) if conda else ([], None)
    if isinstance(pip, list):
        return of_list(pip), said.get("python_version")
    file = _named(spec, str(pip), "/pip")
    return of_file(file.path, await read_text(file)), said.get("python_version")


def _named(spec: DeclaredSpec, path: str, pointer: str) -> ModelFile:
    """The one file that the declaration names."""
    wanted = path.removeprefix("./")
    found = next((file for file in spec.files if file.path == wanted), None)
    if found is None:
        fault = Fault(f"{path!r} is no file that was kept", pointer, allowed="a file beside the declaration")
        raise Invalid("the requirements are not here", faults=(fault,))
    return found


def _conda(spec: DeclaredSpec) -> Conda | None:
    said = spec.declaration.get("conda_file")
    if said is None:
        return None
    if isinstance(said, dict):
        return read_conda(CondaFile.model_validate(said))
    nested = [one for one in spec.nested.values() if one.form == "condaFile"]
    if not nested:
        raise Invalid(f"the conda file {said!r} was not kept", remedy="apply the environment again")
    return read_conda(CondaFile.model_validate(nested[0].declaration))


def _context(spec: DeclaredSpec, path: str) -> tuple[ModelFile, ...]:
    """The files of the build context, by paths in it."""
    if not spec.files:
        fault = Fault(f"{path!r} is not in the folder that was applied", "/build/path", allowed="a folder beside it")
        raise Invalid("the build context is not here", faults=(fault,))
    folder = path.removeprefix("./").rstrip("/")
    prefix = "" if folder in ("", ".") else f"{folder}/"
    inside = [file.model_copy(update={"path": file.path.removeprefix(prefix)}) for file in spec.files]
    return tuple(sorted(inside, key=lambda file: file.path))
