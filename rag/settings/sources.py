"""Finds each setting's value: in the environment, else ``.env``, else ``aegis.toml``.

In each of them ``NAME_FILE`` may name a file with a secret's value. An empty value counts as unset.
"""

import os
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from rag.errors import ConfigurationError
from rag.settings import configuration
from rag.settings.configuration import CONFIG, INHERITED, Found, has_reference, is_open_to_others
from rag.settings.foreign import CELERYS, is_foreign, misspelt, nearest
from rag.settings.secret_files import SUFFIX, read_secret, secrets_of
from rag.system.folders import expanded

ENVIRONMENT = "environment"
_PROGRAMS = frozenset({"broker_binary"})
"""Settings that name programs: whoever may write them can make us run anything."""


@dataclass(frozen=True, slots=True)
class Given:
    """The value of one setting as it was written. ``file``: the file it is in, if ``NAME_FILE`` names one."""

    value: Any
    source: str
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of all sources.

    ``given``: by field. ``files``: those that gave a value. ``wrong``: a line for each field that cannot
    be read. ``faults``: lines about files, which prevent a start too. ``warnings``: likely mistakes.
    ``remarks``: variables of other programs. ``lent``: the clouds' own variables that are in ``.env``
    and not in the environment, where the clouds' clients look for them.
    """

    given: Mapping[str, Given] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    lent: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        return {name: given.value for name, given in self.given.items()}

    def require_readable(self) -> None:
        """ConfigurationError with a line for everything that cannot be read."""
        if lines := [*self.faults, *self.wrong.values()]:
            raise ConfigurationError("\n".join(lines))


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source. ``folder``: a file's; None for the environment. ``named``: whether AEGIS_CONFIG names it."""

    label: str
    values: Mapping[str, Any]
    folder: Path | None = None
    named: bool = False

    @classmethod
    def of(cls, file: Found, paths: Set[str]) -> "_Layer":
        """``paths``: fields that are paths; in a file they are relative to its folder."""
        layer = cls(file.label, file.values, file.folder, file.named)
        found = {
            name: value for name, value in file.values.items() if name in paths and isinstance(value, str)
        }
        absolute = {name: str(layer.path(value)) for name, value in found.items()}
        return replace(layer, values={**file.values, **absolute})

    def place(self, variable: str) -> str:
        """The variable, and the file it is in."""
        return variable if self.folder is None else f"{variable} in {self.label}"

    def path(self, value: str) -> Path:
        path = expanded(value)
        return path if self.folder is None else self.folder / path

    def value(self, name: str, *, is_secret: bool) -> Given | None:
        """The setting's value here. ConfigurationError when it cannot be used."""
        upper, value = name.upper(), self.values.get(name, "")
        path = self.values.get(f"{name}{SUFFIX}") if is_secret else None
        if path and value != "":
            raise ConfigurationError(
                f"{self.place(upper)} and {upper}_FILE are both set: leave one of them out"
            )
        if path:
            file = self.path(str(path))
            return Given(read_secret(self.place(f"{upper}_FILE"), file), self.label, file)
        if value == "" or is_foreign(name, value):
            return None
        if self.folder and name in _PROGRAMS and not self.named:
            raise ConfigurationError(
                f"{self.place(upper)} is not taken, since it names a program: "
                f"set it in the environment, or in a file that {CONFIG} names"
            )
        if self.folder and has_reference(value):
            raise ConfigurationError(
                f"{self.place(upper)}: no variable is put in for ${{…}}: write the value itself"
            )
        return Given(value, self.label)


class GivenValues(PydanticBaseSettingsSource):
    """Values that have been read already, as a source of pydantic-settings."""

    def __init__(self, settings: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._values)


def read(settings: type[BaseSettings], environment: Mapping[str, str] = os.environ) -> Reading:
    """All values for the fields of ``settings``, with faults and warnings."""
    found = tuple(configuration.find(environment))
    paths = {name for name, about in settings.model_fields.items() if "Path" in str(about.annotation)}
    # of several spellings of a variable, the one in upper case counts
    variables = sorted(environment.items(), key=lambda item: item[0].isupper())
    by_field = {name.lower(): value for name, value in variables if value}
    layers = [_Layer(ENVIRONMENT, by_field), *(_Layer.of(file, paths) for file in found)]
    given: dict[str, Given] = {}
    wrong: dict[str, str] = {}
    secrets = secrets_of(settings)
    for name in settings.model_fields:
        values = (layer.value(name, is_secret=name in secrets) for layer in layers)
        try:
            if value := next(filter(None, values), None):
                given[name] = value
        except ConfigurationError as error:
            wrong[name] = str(error)
    files = {value.source for value in given.values()} - {ENVIRONMENT}
    cloud = {name: value for file in found for name, value in file.cloud_variables.items()}
    return Reading(
        given,
        tuple(file.label for file in found if file.label in files),
        wrong,
        tuple(_faults(settings, found)),
        tuple(_warnings(settings, environment, found, given)),
        tuple(_remarks(settings, environment, layers)),
        {name: value for name, value in cloud.items() if name not in environment},
    )


def _faults(settings: type[BaseSettings], found: tuple[Found, ...]) -> Iterator[str]:
    """Faults of files, and unknown names in ``aegis.toml``, where no other program's can be."""
    known = {*settings.model_fields, *(f"{name}{SUFFIX}" for name in secrets_of(settings))}
    for file in found:
        yield from file.faults
        for name in file.values if file.is_ours else ():
            if name not in known:
                meant = nearest(name, known)
                remedy = f"did you mean {meant}?" if meant else "`aegis config show` lists what there is"
                yield f"{name[:80]} in {file.label} is not a setting: {remedy}"


def _warnings(
    settings: type[BaseSettings],
    environment: Mapping[str, str],
    found: tuple[Found, ...],
    given: Mapping[str, Given],
) -> Iterator[str]:
    if environment.get(CONFIG) == INHERITED:
        return
    fields, secrets = settings.model_fields, secrets_of(settings)
    names = {name for name, value in environment.items() if value and name.isupper()} - {CONFIG}
    names |= {name.upper() for file in found if not file.is_ours for name in file.values}
    yield from misspelt(names, fields, secrets).values()
    for file in found:
        yield from file.warnings
    open_files = {file.label for file in found if file.open_to_others}
    for name in sorted(secrets & given.keys()):
        value = given[name]
        if value.source in open_files if value.file is None else is_open_to_others(value.file):
            place = value.file or value.source
            yield f"{place} holds {name.upper()}, and others may read it: chmod 600 {place}"


def _remarks(
    settings: type[BaseSettings], environment: Mapping[str, str], layers: list[_Layer]
) -> Iterator[str]:
    for layer in layers:
        for name in settings.model_fields:
            if is_foreign(name, value := layer.values.get(name)):
                yield f"{layer.place(name.upper())}: {str(value)[:80]!r} is another program's, and is not taken"
    for name in sorted(CELERYS & environment.keys()):
        yield f"{name} is Celery's own, and is not taken: REDIS_URL names the broker"
