"""The lane registry is complete and agrees with the tasks that exist."""

from rag.model import Stage
from rag.settings import Settings
from tasks.app import LANES, app, lane_named, lane_of, task_name


def test_every_stage_has_exactly_one_lane() -> None:
    stages = [stage for lane in LANES for stage in lane.stages]

    assert sorted(stages) == sorted(Stage)


def test_every_stage_and_every_route_has_a_task_and_every_task_a_route() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.startswith("aegis.")}
    routes = app.conf.task_routes

    assert {task_name(stage) for stage in Stage} <= ours
    assert all(name in routes or name.startswith("aegis.maintenance.") for name in ours)
    assert set(routes) - {"aegis.maintenance.*"} <= ours


def test_an_interactive_stage_never_shares_a_lane_with_bulk_work() -> None:
    bulk = {Stage.PARSE, Stage.EMBED, Stage.INDEX, Stage.PURGE}

    assert all(bulk.issuperset(lane.stages) or bulk.isdisjoint(lane.stages) for lane in LANES)


def test_bulk_lanes_give_way_to_interactive_ones() -> None:
    assert lane_of(Stage.EMBED).nice > lane_of(Stage.EMBED_QUERY).nice


def test_the_visibility_timeout_is_over_every_hard_limit() -> None:
    limits = [lane.time_limit or Settings().stage_timeout for lane in LANES]

    assert app.conf.broker_transport_options["visibility_timeout"] > max(limits)


def test_a_worker_serves_one_lane_with_one_slot_and_a_time_limit() -> None:
    command = lane_named("generate").command(Settings())

    assert command[command.index("--queues") + 1] == "generate"
    assert command[command.index("--concurrency") + 1] == "1"
    assert int(command[command.index("--time-limit") + 1]) > 0


def test_messages_are_json_and_results_are_not_kept_by_celery() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result
    assert app.conf.result_backend is None
