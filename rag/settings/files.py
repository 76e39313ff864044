"""Secrets that lie in files, as Docker and Kubernetes mount them: ``NAME_FILE=/run/secrets/name``."""

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

SUFFIX = "_file"


def secrets_of(settings: type[BaseSettings]) -> frozenset[str]:
    """The fields that may be given as a file: passwords, keys, and addresses that hold some."""
    typed = {name for name, field in settings.model_fields.items() if _is_secret(field)}
    return frozenset(typed | {"api_keys"})


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)
