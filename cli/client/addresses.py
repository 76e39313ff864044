"""The addresses of this machine's stack, as seen from this machine."""

from rag.settings import Settings
from rag.system.homes import stack_in
from rag.web.addresses import http_url


def base_url(settings: Settings) -> str:
    """The API's address: that of the stack in this home, unless API_HOST or API_PORT name another."""
    if settings.model_fields_set.isdisjoint({"api_host", "api_port"}) and (stack := stack_in(settings.home)):
        return stack.api
    return http_url(settings.listen_host, settings.api_port)


def addresses(settings: Settings) -> dict[str, str]:
    """What a person opens, by name."""
    api = base_url(settings)
    return {
        "API": api,
        "Console": f"{api}/",
        "API pages": f"{api}/docs",
        "Flower": f"{http_url(settings.listen_host, settings.flower_port)}{settings.flower_prefix}/",
        "Logs": str(settings.home / "logs"),
    }
