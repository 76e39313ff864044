"""Sends spans to a collector: OTLP over HTTP, in batches, by a thread that no job waits for.

https://opentelemetry.io/docs/specs/otlp/#otlphttp. While a collector is away, spans are lost and one line is
logged; no job fails.
"""

import logging
import os
from collections.abc import Callable, Sequence
from socket import gethostname
from threading import Timer

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from rag.naming import release
from rag.settings import Settings

MOST_SPANS = 2048
"""Spans that wait to be sent. Beyond them the oldest are dropped."""

_EVERY_MS = 1000
_SEND_SECONDS = 3.0
_FAREWELL_SECONDS = 2.0

log = logging.getLogger(__name__)


def start_sending(settings: Settings, url: str, service: str) -> Callable[[], None]:
    """Send this process's spans to ``url`` as ``service``. The function that is returned ends it.

    To be called once a process.
    """
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # it would log every attempt
    sender = SpanSender(OTLPSpanExporter(url, timeout=_SEND_SECONDS), url)
    resource = Resource.create(  # names by OpenTelemetry's semantic conventions
        {
            "service.name": service,
            "service.namespace": "aegis",
            "service.version": release(),
            "service.instance.id": f"{gethostname()}.{os.getpid()}",
            "deployment.environment.name": settings.environment,
        }
    )
    # A job is traced as its submit was, and a request as its caller says.
    sampler = ParentBased(TraceIdRatioBased(settings.traces_sample_ratio))
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(sender, max_queue_size=MOST_SPANS, schedule_delay_millis=_EVERY_MS)
    )
    trace.set_tracer_provider(provider)

    def end() -> None:
        timer = Timer(_FAREWELL_SECONDS, sender.shutdown)  # for a collector that hangs
        timer.daemon = True
        timer.start()
        provider.shutdown()
        timer.cancel()

    return end


class SpanSender(SpanExporter):
    """Exports by ``exporter``, and logs only when its failures begin and when they are over."""

    def __init__(self, exporter: SpanExporter, url: str) -> None:
        self._exporter = exporter
        self._url = url
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                log.warning("JAEGER_ENDPOINT: %s takes no spans, so they are lost; jobs go on", self._url)
            self._lost += len(spans)
        elif self._lost:
            log.warning("spans are sent again; %d were lost", self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
