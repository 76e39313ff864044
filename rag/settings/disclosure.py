"""The settings without secrets, to be shown and to be stored in backups."""

from rag.model import Json
from rag.settings.settings import Settings
from rag.settings.wording import masked


def disclosed(settings: Settings) -> Json:
    """Every setting by its name in the environment, as JSON.

    Secrets are masked, and in addresses credentials and everything after a question mark. Of API keys
    only names, roles and collections remain.
    """
    values = settings.model_dump(mode="json")
    values["api_keys"] = list(values["api_keys"].values())
    return {
        name.upper(): masked(value) if isinstance(value, str) else value for name, value in values.items()
    }
