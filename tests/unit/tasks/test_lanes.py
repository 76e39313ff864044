"""The lane registry is complete and agrees with the tasks that exist."""

import pytest

from rag.model import FIRST_STAGES, JobKind, Json, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.lanes import LANES, Lane, lane_of


def test_every_stage_has_exactly_one_lane() -> None:
    stages = [stage for lane in LANES for stage in lane.stages]

    assert sorted(stages) == sorted(Stage)


def test_a_server_that_hangs_holds_up_fetches_alone() -> None:
    assert lane_of(Stage.FETCH).stages == (Stage.FETCH,)


def test_every_first_stage_is_known_as_one() -> None:
    """A job is let alone there until its entry in the journal is written."""
    inputs: tuple[Json, ...] = ({}, {"url": "https://example.com/"})
    assert {kind.first_stage(each) for kind in JobKind for each in inputs} == set(FIRST_STAGES)


def test_an_interactive_stage_never_shares_a_lane_with_bulk_work() -> None:
    interactive = {Stage.EMBED_QUERY, Stage.SEARCH, Stage.RERANK, Stage.GENERATE}

    assert all(interactive.issuperset(lane.stages) or interactive.isdisjoint(lane.stages) for lane in LANES)


def test_bulk_lanes_give_way_to_interactive_ones() -> None:
    for stage in (Stage.EMBED, Stage.SNAPSHOT):
        assert lane_of(stage).nice > lane_of(Stage.EMBED_QUERY).nice


def test_the_visibility_timeout_is_over_the_hard_limit() -> None:
    assert app.conf.broker_transport_options["visibility_timeout"] > Settings().stage_timeout


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_a_worker_serves_one_lane_with_one_slot(lane: Lane) -> None:
    command = lane.command(Settings())

    assert command[command.index("--queues") + 1] == lane.name
    assert command[command.index("--concurrency") + 1] == "1"


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_a_time_limit_is_set_exactly_where_the_pool_heeds_it(lane: Lane) -> None:
    assert ("--time-limit" in lane.command(Settings())) == (lane.pool == "prefork")


def test_what_runs_foreign_code_or_long_has_a_pool_that_survives_it() -> None:
    documents = (Stage.PARSE, Stage.FETCH, Stage.EMBED, Stage.INDEX)
    for stage in (*documents, Stage.GENERATE, Stage.UPLOAD, Stage.LOAD):
        assert lane_of(stage).pool == "prefork"


def test_messages_are_json_and_results_are_not_kept_by_celery() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result
    assert app.conf.result_backend is None
