"""A secret that lies in a file of its own."""

from pathlib import Path

from rag.errors import ConfigurationError

MOST_BYTES = 1 << 20


def secret_in(variable: str, path: Path) -> str:
    """The file's text without line breaks at its end. ConfigurationError, which quotes none of it."""
    try:
        if not path.is_file():  # a pipe would never end
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
