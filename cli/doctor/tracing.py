"""The collector of traces: it receives an empty batch."""

import httpx

from cli.doctor.finding import Finding, timed
from rag.settings import Settings

_SECONDS = 5.0
_REMEDY = "see JAEGER_ENDPOINT; jobs go on without spans"


def examine(settings: Settings) -> Finding:
    """An OTLP request without spans is valid, and has no bytes."""
    url = settings.traces_url
    if url is None:
        why = "TRACING_ENABLED is false" if settings.jaeger_endpoint else "JAEGER_ENDPOINT is unset"
        return Finding("tracing", "ok", f"off: {why}")
    headers = {"Content-Type": "application/x-protobuf"}
    try:
        answer, ms = timed(lambda: httpx.post(url, content=b"", headers=headers, timeout=_SECONDS))
    except httpx.HTTPError as error:
        return Finding("tracing", "bad", f"{url}: {error or type(error).__name__}", _REMEDY)
    if not answer.is_success:
        return Finding("tracing", "bad", f"{url} answers {answer.status_code}", _REMEDY, ms)
    return Finding("tracing", "ok", f"{url} takes spans", ms=ms)
