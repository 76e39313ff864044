"""A real Prometheus with the files of deploy/prometheus, which asks and evaluates each second."""

import math
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from rag.model import Json
from tests.alertrules import FOLDER
from tests.chaos.requirements import missing
from tests.system.running import free_port, until

KEY = "the key of Qdrant"

Targets = Mapping[str, Sequence[str]]
"""Addresses by the name of the job that asks them; other jobs are left out."""


@contextmanager
def running(name: str, *arguments: str, log: Path) -> Iterator[None]:
    program = shutil.which(name)
    if program is None:
        missing(name)
    with log.open("wb") as output:
        process = subprocess.Popen([program, *arguments], stdout=output, stderr=output)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


@dataclass(frozen=True)
class Prometheus:
    """``http`` calls it."""

    http: httpx.Client

    @property
    def address(self) -> str:
        return f"{self.http.base_url.host}:{self.http.base_url.port}"

    def ask(self, query: str) -> list[Json]:
        """The samples of now."""
        answer = self.http.get("/api/v1/query", params={"query": query})
        assert answer.status_code == 200, f"{query}: {answer.text}"
        return list(answer.json()["data"]["result"])

    def figure(self, query: str) -> float | None:
        """The first sample's value, None without one."""
        found = self.ask(query)
        return float(found[0]["value"][1]) if found else None

    def has_data(self, query: str) -> bool:
        """Whether there is a sample that is a number."""
        return any(not math.isnan(float(sample["value"][1])) for sample in self.ask(query))

    def firing(self) -> dict[str, list[Json]]:
        """The labels of the alerts that fire, by name."""
        found: dict[str, list[Json]] = {}
        for sample in self.ask('ALERTS{alertstate="firing"}'):
            found.setdefault(sample["metric"]["alertname"], []).append(sample["metric"])
        return found


@contextmanager
def prometheus(
    folder: Path, targets: Targets, alertmanager: str = "127.0.0.1:9", *, seconds: int = 1
) -> Iterator[Prometheus]:
    """It asks ``targets``, and itself, every ``seconds`` until the block ends; ``folder`` has its files."""
    own = f"127.0.0.1:{free_port()}"
    configuration = hastened_prometheus(folder, {**targets, "prometheus": [own]}, alertmanager, f"{seconds}s")
    arguments = (
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address={own}",
        # else an alert that was raised before Alertmanager was found waits for a minute
        "--rules.alert.resend-delay=1s",
    )
    with (
        running("prometheus", *arguments, log=folder / "prometheus.log"),
        httpx.Client(base_url=f"http://{own}", timeout=30) as http,
    ):
        until(lambda: is_ready(http), seconds=60)
        yield Prometheus(http)


def is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def hastened_prometheus(folder: Path, targets: Targets, alertmanager: str, interval: str) -> Path:
    """The file as it is, but for waits, and where names are resolved."""
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    configuration["global"].update(
        scrape_interval=interval, scrape_timeout=interval, evaluation_interval="1s"
    )
    jobs = [job for job in configuration["scrape_configs"] if job["job_name"] in targets]
    for job in jobs:
        job.pop("dns_sd_configs", None)
        job.pop("scrape_interval", None)
        job["static_configs"] = [{"targets": list(targets[job["job_name"]])}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(folder / "key")
    (folder / "key").write_text(KEY)
    configuration["scrape_configs"] = jobs
    configuration["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alertmanager]}]
    for rules in FOLDER.glob("*.rules.yml"):
        written(folder / rules.name, at_once(yaml.safe_load(rules.read_text("utf-8"))))
    return written(folder / "prometheus.yml", configuration)


def at_once(rules: Any) -> Any:
    """The same rules, evaluated each second; alerts come without the time for which they must hold."""
    for group in rules["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule.pop("for", None)
    return rules


def written(file: Path, content: Any) -> Path:
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return file
