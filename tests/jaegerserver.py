"""A real Jaeger on free ports of this machine, with its traces in memory."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests.jaegerbuild import jaeger_binary
from tests.system.running import free_port, until

_CONFIG = """\
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry:
    metrics: {{level: none}}
extensions:
  jaeger_storage:
    backends: {{memory: {{memory: {{max_traces: 10000}}}}}}
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: "127.0.0.1:{query}"}}
    grpc: {{endpoint: "127.0.0.1:{grpc}"}}
receivers:
  otlp:
    protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}}}
exporters:
  jaeger_storage_exporter: {{trace_storage: memory}}
"""


@dataclass(frozen=True)
class Jaeger:
    """``endpoint``: where spans are sent by OTLP over HTTP. ``url``: its API."""

    endpoint: str
    url: str

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace, as Jaeger's API has them; none while the trace is unknown."""
        answer = httpx.get(f"{self.url}/api/traces/{trace_id}", timeout=10)
        return [] if answer.status_code == 404 else answer.raise_for_status().json()["data"][0]["spans"]


@contextmanager
def jaeger() -> Iterator[Jaeger]:
    """Raises NotBuildableError where it can neither be found nor built."""
    binary = jaeger_binary()
    otlp, query, grpc = free_port(), free_port(), free_port()
    with TemporaryDirectory(prefix="jaeger-") as folder, Path(folder, "log").open("wb") as log:
        config = Path(folder, "config.yaml")
        config.write_text(_CONFIG.format(otlp=otlp, query=query, grpc=grpc))
        process = subprocess.Popen([binary, "--config", config], stdout=log, stderr=log, cwd=folder)
        try:
            until(lambda: _answers(f"http://127.0.0.1:{query}/api/services"), 60)
            yield Jaeger(f"http://127.0.0.1:{otlp}", f"http://127.0.0.1:{query}")
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2).is_success
    return False
