"""Which release of Aegis this is."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The version of the installed distribution; "unknown" in a checkout that is not installed."""
    try:
        return version("aegis-rag")
    except PackageNotFoundError:
        return "unknown"
