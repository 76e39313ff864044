"""``python -m rag.settings`` prints ``docs/reference/settings.md``, made from the fields."""

import sys
from pathlib import Path

from pydantic.fields import FieldInfo

from rag.settings.secret_files import secrets_of
from rag.settings.settings import Settings
from rag.settings.texts import text_of


def reference_page() -> str:
    """The whole page."""
    rows = "\n".join(
        f"| `{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    )
    secrets = ", ".join(f"`{name.upper()}`" for name in Settings.model_fields if name in secrets_of(Settings))
    head = (
        "# Settings\n\nAll are variables of the environment, and may be in `.env` and `aegis.toml` too: "
        "[configuration.md](configuration.md). Lists are written with commas between, or as JSON. "
        "`aegis config show` tells where each value comes from.\n\n"
        "A secret may be in a file, as Docker and Kubernetes mount them: `NAME_FILE` has the path instead of "
        "`NAME` the value. It is read when a process starts, without line breaks at its end, and only one of the "
        f"two may be set. This holds for {secrets}.\n\n| variable | default | what it does |\n|---|---|---|"
    )
    return f"{head}\n{rows}\n"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None or field.default in (None, (), ""):
        return ""
    if isinstance(field.default, Path):
        return "in the virtual environment" if field.default.is_absolute() else f"`{field.default}`"
    if isinstance(field.default, tuple):
        return f"`{','.join(field.default)}`"
    return f"`{text_of(field.default)}`"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
