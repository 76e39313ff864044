"""Where things of this machine's stack are, as seen from this machine."""

from rag.homes import stack_in
from rag.settings import Settings


def local(host: str) -> str:
    """``host``, which may stand for all addresses, as one to connect to."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def base_url(settings: Settings) -> str:
    """The API's address: that of the stack in this home, unless API_HOST or API_PORT name another."""
    if settings.model_fields_set.isdisjoint({"api_host", "api_port"}) and (stack := stack_in(settings.home)):
        return stack.api
    return f"http://{_bracketed(local(settings.listen_host))}:{settings.api_port}"


def addresses(settings: Settings) -> dict[str, str]:
    """What a person opens, by name."""
    api = base_url(settings)
    return {
        "API": api,
        "Console": f"{api}/",
        "API pages": f"{api}/docs",
        "Flower": f"http://{_bracketed(local(settings.listen_host))}:{settings.flower_port}",
        "Logs": str(settings.home / "logs"),
    }


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
