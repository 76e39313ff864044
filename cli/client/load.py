"""The load of an installation, looked at again and again: lanes, workers, jobs, and rates between looks."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from cli.client.client import Client
from cli.client.problems import NotAegisError
from rag.errors import Transient
from rag.web.jsontypes import Json

WINDOW_SECONDS = 10.0
"""Rates are means over so many seconds: between two samples a slow lane would jump between 0 and a lot."""

Counts = Mapping[tuple[str, str], int]


class RateWindow:
    """Rates of counters, from their values at known times."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Counts]] = deque()

    def add(self, at: float, counts: Counts) -> None:
        """``at``: in seconds. A time that is not later than the last one is that of a known answer."""
        if self._seen and at <= self._seen[-1][0]:
            return
        self._seen.append((at, counts))
        while len(self._seen) > 2 and self._seen[1][0] <= at - WINDOW_SECONDS:
            self._seen.popleft()

    def rates(self) -> dict[tuple[str, str], float]:
        """Counts per second. A counter that has begun anew, as after the loss of the broker, has no rate."""
        if len(self._seen) < 2:
            return {}
        (began, before), (ended, after) = self._seen[0], self._seen[-1]
        grown = {name: after[name] - before[name] for name in after.keys() & before.keys()}
        return {name: count / (ended - began) for name, count in grown.items() if count >= 0}


@dataclass(frozen=True, slots=True)
class Load:
    """One look. ``lanes`` and ``components``: the API's latest answers, {} before the first.

    ``rates``: per second, of ("lane", name) and ("jobs", state). ``error``: why there was no answer this
    time, and ``silence``: for how many seconds there has been none; "" and 0 where there was one.
    """

    lanes: Json = field(default_factory=dict)
    components: Json = field(default_factory=dict)
    rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    error: str = ""
    silence: float = 0.0

    def as_json(self) -> Json:
        """For programs, with rates by lane and by state of jobs."""
        rates: dict[str, dict[str, float]] = {"lane": {}, "jobs": {}}
        for (of, name), rate in self.rates.items():
            rates[of][name] = round(rate, 3)
        known = {**self.lanes, "components": self.components, "rates": rates}
        return {**known, "error": self.error or None, "silence_seconds": round(self.silence, 1)}


class LoadReader:
    """Looks at the installation behind ``client``."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._latest = Load()
        self._answered = monotonic()
        self._window = RateWindow()

    def read(self) -> Load:
        """The load now. While the API does not answer, the latest one with the error.

        Raises any error before the first answer, later those that another try would not change, such as
        errors about the key. A proxy's page in place of an answer may be gone at the next try.
        """
        error = ""
        lanes, components = self._latest.lanes, self._latest.components
        try:
            components = self._client.readiness()["components"]
            lanes = self._client.lanes()
        except (Transient, NotAegisError) as away:
            if not components:
                raise
            error = str(away)
        else:
            self._answered = monotonic()
            self._window.add(datetime.fromisoformat(lanes["read_at"]).timestamp(), dict(_counts(lanes)))
        silence = monotonic() - self._answered if error else 0.0
        self._latest = Load(lanes, components, self._window.rates(), error, silence)
        return self._latest


def _counts(lanes: Json) -> Iterator[tuple[tuple[str, str], int]]:
    for lane in lanes["lanes"]:
        yield ("lane", lane["lane"]), lane["ended"]
    for state in ("succeeded", "failed", "cancelled", "dead"):
        yield ("jobs", state), lanes["ended"].get(state, 0)
