"""Where each setting's value comes from: the environment, else ``.env``, else ``aegis.toml``.

In each of them ``NAME_FILE`` may stand for the value of a secret. An empty value is none.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from rag.errors import ConfigurationError
from rag.folders import expanded
from rag.settings import configuration
from rag.settings.configuration import CLOUDS, CONFIG, INHERITED, Found, is_filled_in, is_open_to_others
from rag.settings.files import SUFFIX, secrets_of
from rag.settings.foreign import CELERYS, is_foreign, misspelt, nearest
from rag.settings.secretfile import secret_in

ENVIRONMENT = "environment"
_PROGRAMS = frozenset({"broker_binary"})
"""Who may write these, may have us run anything."""


@dataclass(frozen=True, slots=True)
class Given:
    """The value of one setting as it was written. ``file``: where it lies, if ``NAME_FILE`` says so."""

    value: Any
    source: str
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What all sources give.

    ``given``: by fields. ``files``: that gave something. ``wrong``: a line for each field that cannot be read.
    ``faults``: lines about files, which stop a start too. ``warnings``: of what may not be meant.
    ``remarks``: of what is another program's. ``lent``: the clouds' own variables that ``.env`` has, and the
    environment, where their clients read them, has not.
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
    label: str
    values: Mapping[str, Any]
    folder: Path | None = None
    named: bool = False

    def place(self, variable: str) -> str:
        """The variable, and where it stands, if not in the environment."""
        return variable if self.folder is None else f"{variable} in {self.label}"

    def path(self, value: str) -> Path:
        """A relative one is meant from where it is written."""
        path = expanded(value)
        return path if self.folder is None else self.folder / path


class GivenValues(PydanticBaseSettingsSource):
    """Values that were gathered before, as pydantic-settings takes them."""

    def __init__(self, settings: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._values)


def read(settings: type[BaseSettings], environment: Mapping[str, str] = os.environ) -> Reading:
    """Everything that is given for the fields of ``settings``."""
    found = tuple(configuration.find(environment))
    layers = [_Layer(ENVIRONMENT, _by_field(environment)), *(_layer(settings, file) for file in found)]
    given: dict[str, Given] = {}
    wrong: dict[str, str] = {}
    secrets = secrets_of(settings)
    for name in settings.model_fields:
        try:
            if value := _first(name, layers, is_secret=name in secrets):
                given[name] = value
        except ConfigurationError as error:
            wrong[name] = str(error)
    files = {value.source for value in given.values()} - {ENVIRONMENT}
    return Reading(
        given,
        tuple(file.label for file in found if file.label in files),
        wrong,
        tuple(_faults(settings, found)),
        tuple(_warnings(settings, environment, found, given)),
        tuple(_remarks(settings, environment, layers)),
        _lent(environment, found),
    )


def _by_field(environment: Mapping[str, str]) -> dict[str, str]:
    """What is not empty, by names in lower case; of several spellings, upper case is meant."""
    ordered = sorted(environment.items(), key=lambda item: item[0].isupper())
    return {name.lower(): value for name, value in ordered if value}


def _layer(settings: type[BaseSettings], file: Found) -> _Layer:
    layer = _Layer(file.label, file.values, file.folder, file.named)
    paths = {name for name, about in settings.model_fields.items() if "Path" in str(about.annotation)}
    told = {name: value for name, value in file.values.items() if name in paths and isinstance(value, str)}
    return replace(layer, values={**file.values, **{name: str(layer.path(told[name])) for name in told}})


def _first(name: str, layers: list[_Layer], *, is_secret: bool) -> Given | None:
    for layer in layers:
        if value := _from(layer, name, is_secret=is_secret):
            return value
    return None


def _from(layer: _Layer, name: str, *, is_secret: bool) -> Given | None:
    """ConfigurationError where what stands there cannot be used."""
    value, path = layer.values.get(name, ""), layer.values.get(f"{name}{SUFFIX}") if is_secret else None
    upper = name.upper()
    if path and value != "":
        raise ConfigurationError(f"{layer.place(upper)} and {upper}_FILE are both set: leave one of them out")
    if path:
        file = layer.path(str(path))
        return Given(secret_in(layer.place(f"{upper}_FILE"), file), layer.label, file)
    if value == "" or is_foreign(name, value):
        return None
    _require_usable(layer, name, value)
    return Given(value, layer.label)


def _require_usable(layer: _Layer, name: str, value: object) -> None:
    if layer.folder is None:
        return
    if name in _PROGRAMS and not layer.named:
        raise ConfigurationError(
            f"{layer.place(name.upper())} is not taken, since it names a program: "
            f"set it in the environment, or in a file that {CONFIG} names"
        )
    if is_filled_in(value):
        raise ConfigurationError(
            f"{layer.place(name.upper())}: no variable is put in for ${{…}}: write the value itself"
        )


def _names(settings: type[BaseSettings]) -> set[str]:
    return {*settings.model_fields, *(f"{name}{SUFFIX}" for name in secrets_of(settings))}


def _faults(settings: type[BaseSettings], found: tuple[Found, ...]) -> Iterator[str]:
    """``aegis.toml`` is ours alone, so nothing in it can be another's."""
    known = _names(settings)
    for file in found:
        yield from file.faults
        if file.is_ours:
            yield from (_unknown(file, name, known) for name in file.values if name not in known)


def _unknown(file: Found, name: str, known: set[str]) -> str:
    meant = nearest(name, known)
    remedy = f"did you mean {meant}?" if meant else "`aegis config show` lists what there is"
    return f"{name[:80]} in {file.label} is not a setting: {remedy}"


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


def _lent(environment: Mapping[str, str], found: tuple[Found, ...]) -> dict[str, str]:
    return {
        name.upper(): value
        for file in found
        if not file.is_ours
        for name, value in file.values.items()
        if name.upper().startswith(CLOUDS) and name.upper() not in environment
    }


def _remarks(
    settings: type[BaseSettings], environment: Mapping[str, str], layers: list[_Layer]
) -> Iterator[str]:
    for layer in layers:
        for name in settings.model_fields:
            if is_foreign(name, value := layer.values.get(name)):
                yield f"{layer.place(name.upper())}: {str(value)[:80]!r} is another program's, and is not taken"
    for name in sorted(CELERYS & environment.keys()):
        yield f"{name} is Celery's own, and is not taken: REDIS_URL names the broker"
