"""The environment that every service of the stack, and what runs in a container, gets."""

from collections.abc import Mapping

from rag.settings import Settings, inherited
from rag.system.folders import expanded


def environment(settings: Settings) -> Mapping[str, str]:
    """The services' environment: these settings, with absolute folders since services run elsewhere."""
    return {
        **inherited(settings),
        "AEGIS_HOME": str(settings.home),
        "MODEL_DIR": str(expanded(settings.model_dir, "MODEL_DIR: ").resolve()),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",  # logs are UTF-8, whatever the terminal's encoding is
        "PYTHONIOENCODING": "utf-8",
        "SPT_NOENV": "1",  # process titles do not overwrite the environment that `ps e` shows
    }
