"""All settings as one class, where their values come from, and their checks together."""

from collections.abc import Mapping, Set
from typing import Any, Self

from pydantic import PrivateAttr, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rag.naming import checked_collection_name
from rag.settings.checks import misfits, out_of_order
from rag.settings.derived import DerivedSettings
from rag.settings.oidc import unfit
from rag.settings.redis_url import RedisAddress
from rag.settings.sources import Given, GivenValues, Reading, read
from rag.settings.texts import value_of


class Settings(DerivedSettings):
    """Every setting, frozen: the values that were given, checked together."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    _given: Mapping[str, Given] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # of the sources it is given, one is of use
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values given directly, else those of the environment and the files."""
        reading = read(settings_cls)
        reading.require_readable()
        return init_settings, GivenValues(settings_cls, reading.values)

    @classmethod
    def of(cls, reading: Reading, without: Set[str] = frozenset()) -> Self:
        """The settings of ``reading``, with defaults for the fields in ``without``. Raises ValidationError."""
        values = {name: value for name, value in reading.values.items() if name not in without}
        settings = cls(_build_sources=((GivenValues(cls, values),), {}))
        settings._given = reading.given
        return settings

    @property
    def given(self) -> Mapping[str, Given]:
        """The values that were read, with their sources, by field; without defaults."""
        return self._given

    @field_validator("*", mode="before")
    @classmethod
    def _text(cls, value: object, info: ValidationInfo) -> object:
        name = str(info.field_name)
        return value_of(name, cls.model_fields[name], value) if isinstance(value, str) else value

    @field_validator("collection_name")
    @classmethod
    def _collection_name(cls, value: str) -> str:
        return checked_collection_name(value)

    @field_validator("redis_url")
    @classmethod
    def _redis_form(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            RedisAddress.of(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _all_fit(self) -> Self:
        """ValueError with a line for each misfit."""
        if wrong := [*misfits(self), *out_of_order(self), *unfit(self)]:
            raise ValueError("\n".join(wrong))
        return self
