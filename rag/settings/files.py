"""Secrets that lie in files, as Docker and Kubernetes mount them: ``NAME_FILE=/run/secrets/name``."""

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from rag.errors import ConfigurationError
from rag.settings.secretfile import secret_in

_SUFFIX = "_file"


def secrets_of(settings: type[BaseSettings]) -> frozenset[str]:
    """The fields that may be given as a file: passwords, keys, and addresses that hold some."""
    typed = {name for name, field in settings.model_fields.items() if _is_secret(field)}
    return frozenset(typed | {"api_keys"})


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


class SecretFiles(EnvSettingsSource):
    """The environment, in which ``NAME_FILE`` stands for the value of the secret NAME."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """As the base class; ConfigurationError where the file cannot be used, or the value is there too."""
        value, key, is_complex = super().get_field_value(field, field_name)
        path = self.env_vars.get(f"{field_name}{_SUFFIX}")
        if not path or field_name not in secrets_of(self.settings_cls):
            return value, key, is_complex
        name = field_name.upper()
        if value:
            raise ConfigurationError(f"{name} and {name}_FILE are both set: leave one of them out")
        return secret_in(f"{name}_FILE", Path(path)), key, is_complex
