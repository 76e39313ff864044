"""The settings as they may be shown and kept: without secrets."""

from typing import Any

from rag.model import Json
from rag.settings.whole import Settings
from rag.settings.wording import masked


def disclosed(settings: Settings) -> Json:
    """Every setting by its name in the environment, as JSON.

    Secrets are masked; of addresses, credentials and what follows a question mark; of API keys what
    they may do is left.
    """
    values = settings.model_dump(mode="json")
    values["api_keys"] = list(values["api_keys"].values())
    return {name.upper(): _without_credentials(value) for name, value in values.items()}


def _without_credentials(value: Any) -> Any:
    return masked(value) if isinstance(value, str) else value
