"""Service levels: the share of what was good, and the alerts when the error budget burns."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from rag.model import Json
from tests.alertrules import FOLDER, REPOSITORY, AlertFile

RULES = FOLDER / "slo.rules.yml"
PAGE = REPOSITORY / "docs/reference/service-levels.md"
WINDOWS = {"5m", "30m", "1h", "2h", "6h", "1d", "3d"}

SUBMIT = 'method="POST",handler="/v1/documents",status='
ACCEPTED, FAILED, REFUSED = (f'http_requests_total{{{SUBMIT}"{status}"}}' for status in (202, 503, 422))
WAITED = 'http_requests_total{method="POST",handler="/v1/queries",status="200"}'
IN_TIME = f'http_request_duration_seconds_bucket{{{SUBMIT}"202",le="1.0"}}'
ANSWERED, GIVEN_UP = (f'aegis_jobs_ended_total{{kind="query",state="{s}"}}' for s in ("succeeded", "dead"))
ANSWERED_IN_TIME = 'aegis_job_seconds_bucket{kind="query",le="10.0"}'
INGESTED, UNREADABLE, LOST = (
    f'aegis_jobs_ended_total{{kind="ingest",state="{state}"}}' for state in ("succeeded", "failed", "dead")
)
INGESTED_IN_TIME = 'aegis_job_seconds_bucket{kind="ingest",le="300.0"}'

WELL = {
    ACCEPTED: 80,
    IN_TIME: 80,
    WAITED: 20,
    FAILED: 0,
    REFUSED: 50,
    ANSWERED: 100,
    ANSWERED_IN_TIME: 100,
    GIVEN_UP: 0,
    INGESTED: 100,
    INGESTED_IN_TIME: 100,
    LOST: 0,
    UNREADABLE: 9,
}
"""A minute's growth under normal load. What callers do wrong spends nothing."""

LEVELS = AlertFile(RULES, {})
FAST, SLOW = "AegisErrorBudgetBurnsFast", "AegisErrorBudgetBurnsSlowly"
SLOS = ("submit", "question", "ingestion")

Phase = tuple[int, Mapping[str, float]]
"""So many minutes with these figures' growth a minute in place of that of WELL."""

HOUR, DAY = 60, 1440


def bad(slo: str, share: float) -> Mapping[str, float]:
    """This share of a level's events is bad."""
    return {
        "submit": {IN_TIME: 80 - 100 * share},
        "question": {ANSWERED_IN_TIME: 100 - 100 * share},
        "ingestion": {INGESTED: 100 - 100 * share, INGESTED_IN_TIME: 100 - 100 * share, LOST: 100 * share},
    }[slo]


def series(phases: tuple[Phase, ...], pods: tuple[str, ...] = ("a", "b")) -> list[Json]:
    """What two API processes tell: requests are half each one's, jobs are the same in both."""
    return [
        {
            "series": name.replace("{", f'{{pod="{pod}",instance="{pod}:8910",', 1),
            "values": _values(
                [(minutes, figures.get(name, growth)) for minutes, figures in phases], name, pods
            ),
        }
        for name, growth in WELL.items()
        for pod in pods
    ]


def _values(phases: list[tuple[int, float]], name: str, pods: tuple[str, ...]) -> str:
    share = len(pods) if name.startswith("http") else 1
    value, parts = 0.0, []
    for minutes, growth in phases:
        parts.append(f"{value:g}+{growth / share:g}x{minutes - 1}")
        value += growth / share * minutes
    return " ".join(parts)


def evaluate(folder: Path, phases: tuple[Phase, ...], query: str, *samples: Json) -> None:
    """Fails unless the query has just these samples at the end."""
    minutes = sum(length for length, _ in phases) - 1
    expected = [{"labels": sample["labels"], "value": sample["value"]} for sample in samples]
    question = {"expr": query, "eval_time": f"{minutes}m", "exp_samples": expected}
    LEVELS.judge(folder, {"interval": "1m", "input_series": series(phases), "promql_expr_test": [question]})


def alerts(folder: Path, *phases: Phase, firing: tuple[tuple[str, str], ...] = ()) -> None:
    """Fails unless just these alerts, each of a level, fire at the end."""
    query = 'count by (alertname, slo) (ALERTS{alertstate="firing"})'
    samples = [{"labels": f'{{alertname="{alert}",slo="{slo}"}}', "value": 1} for alert, slo in firing]
    evaluate(folder, phases, query, *samples)


class TestAlerts:
    def test_an_hour_of_normal_load_is_silent(self, tmp_path: Path) -> None:
        alerts(tmp_path, (HOUR + 5, {}))

    @pytest.mark.parametrize(
        ("slo", "too_many", "bearable"),
        [("submit", 0.1, 0.0004), ("question", 0.5, 0.004), ("ingestion", 0.5, 0.004)],
    )
    def test_a_budget_that_burns_fast_alerts_within_a_quarter_of_an_hour(
        self, tmp_path: Path, slo: str, too_many: float, bearable: float
    ) -> None:
        alerts(tmp_path, (30, {}), (15, bad(slo, too_many)), firing=((FAST, slo),))
        alerts(tmp_path, (30, {}), (3 * HOUR, bad(slo, bearable)))

    @pytest.mark.parametrize("slo", SLOS)
    def test_it_is_over_soon_after_the_trouble_is(self, tmp_path: Path, slo: str) -> None:
        trouble = ((30, {}), (20, bad(slo, 0.5)))

        alerts(tmp_path, *trouble, firing=((FAST, slo), (SLOW, slo)))
        alerts(tmp_path, *trouble, (40, {}), firing=((SLOW, slo),))

    @pytest.mark.parametrize(("slo", "share"), [("submit", 0.004), ("question", 0.04), ("ingestion", 0.04)])
    def test_a_budget_that_burns_slowly_alerts_and_pages_nobody(
        self, tmp_path: Path, slo: str, share: float
    ) -> None:
        alerts(tmp_path, (2 * HOUR, {}), (12 * HOUR, bad(slo, share)), firing=((SLOW, slo),))

    def test_server_errors_burn_it_too(self, tmp_path: Path) -> None:
        alerts(tmp_path, (30, {}), (15, {FAILED: 20}), firing=((FAST, "submit"),))

    def test_failures_of_few_prove_nothing(self, tmp_path: Path) -> None:
        idle = dict.fromkeys(WELL, 0.0)
        few = {**idle, FAILED: 0.2, GIVEN_UP: 0.2, LOST: 0.2}

        alerts(tmp_path, (HOUR, idle), (30, few))


class TestRecordedRules:
    @pytest.mark.parametrize("slo", SLOS)
    @pytest.mark.parametrize("window", sorted(WINDOWS))
    def test_the_share_of_errors_is_right_in_each_window(self, tmp_path: Path, slo: str, window: str) -> None:
        query = f'round(aegis:slo_errors:ratio_rate{window}{{slo="{slo}"}}, 0.001)'
        sample = {"labels": f'{{slo="{slo}"}}', "value": 0.25}

        evaluate(tmp_path, ((HOUR, bad(slo, 0.25)),), query, sample)

    @pytest.mark.parametrize("slo", SLOS)
    def test_all_is_bad_when_nothing_is_good(self, tmp_path: Path, slo: str) -> None:
        nothing = dict.fromkeys(
            (ACCEPTED, IN_TIME, WAITED, ANSWERED_IN_TIME, INGESTED, INGESTED_IN_TIME), 0.0
        )
        lost = {**nothing, FAILED: 9.0, ANSWERED: 0.0, GIVEN_UP: 9.0, LOST: 9.0}

        evaluate(
            tmp_path,
            ((HOUR, lost),),
            f'aegis:slo_errors:ratio_rate5m{{slo="{slo}"}}',
            {"labels": f'aegis:slo_errors:ratio_rate5m{{slo="{slo}"}}', "value": 1},
        )

    def test_what_is_left_of_the_budget_is_told(self, tmp_path: Path) -> None:
        sample = {"labels": '{slo="question"}', "value": 0.6}

        evaluate(
            tmp_path,
            ((DAY, bad("question", 0.004)),),
            'round(aegis:slo_budget_left:ratio30d{slo="question"}, 0.01)',
            sample,
        )

    def test_every_window_is_recorded_and_used(self) -> None:
        recorded = {rule["record"] for rule in LEVELS.all_rules() if "record" in rule}
        used = {window for rule in LEVELS.rules() for window in re.findall(r"ratio_rate(\w+)", rule["expr"])}

        assert {name.partition("ratio_rate")[2] for name in recorded} - {""} == WINDOWS == used


def test_the_page_promises_what_the_rules_measure() -> None:
    page = PAGE.read_text("utf-8")
    objectives = {
        rule["labels"]["slo"]: float(rule["expr"][len("vector(") : -1])
        for rule in LEVELS.all_rules()
        if rule.get("record") == "aegis:slo_objective:ratio"
    }

    assert set(objectives) == set(SLOS)
    for slo, objective in objectives.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {slo} |")]
        assert f"{objective * 100:g} %" in row
