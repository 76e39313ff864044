"""What parsers import when they first need it, imported beforehand: a confined child can open no file."""

import encodings
import importlib
import pkgutil

_ELSEWHERE = frozenset({"mbcs", "oem"})  # codecs of Windows alone
_MODULES = (
    "asyncio.unix_events",
    "email.feedparser",
    "email.generator",
    "email.headerregistry",
    "email.iterators",
    "email.parser",
    "html.entities",
    "linecache",
    "stringprep",
    "traceback",
)


def preload() -> None:
    """Codecs are chosen by the document, so all of them are loaded (a fifth of a second, some MB)."""
    for module in pkgutil.iter_modules(encodings.__path__):
        if module.name not in _ELSEWHERE:
            importlib.import_module(f"encodings.{module.name}")
    for name in _MODULES:
        importlib.import_module(name)
