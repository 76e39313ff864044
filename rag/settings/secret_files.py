"""Secrets in files, as Docker and Kubernetes mount them: ``NAME_FILE=/run/secrets/name``.

A client of the API imports this module too, so it must not load pydantic.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

SUFFIX = "_file"
MOST_BYTES = 1 << 20


def secrets_of(settings: "type[BaseSettings]") -> frozenset[str]:
    """The fields whose value may be in a file: passwords, keys, and addresses that contain some."""
    typed = {name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    return frozenset(typed | {"api_keys"})


def read_secret(variable: str, path: Path) -> str:
    """The file's text without line breaks at its end. ConfigurationError, which quotes none of it."""
    try:
        if not path.is_file():  # reading a pipe would never end
            raise ConfigurationError(f"{variable}: there is no file {path}")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"{variable}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}: {path} holds something else than text in UTF-8") from None
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"{variable}: {path} is over {MOST_BYTES >> 20} MB, so it holds no secret")
    if not text:
        raise ConfigurationError(f"{variable}: {path} is empty")
    return text
