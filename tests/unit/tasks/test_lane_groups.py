"""Which lanes share a worker, and that none has to wait for what it must not wait for."""

import pytest

from rag.model import Stage
from rag.settings import Settings
from tasks.lane_groups import SHARING, LaneGroup, lane_groups
from tasks.lanes import LANES

QUESTIONS = {Stage.EMBED_QUERY, Stage.SEARCH, Stage.RERANK, Stage.GENERATE}


def _workers(**settings: object) -> list[str]:
    return [group.name for group in lane_groups(Settings(**settings))]


def test_with_the_settings_as_they_are_five_workers_serve_every_lane_once() -> None:
    groups = lane_groups(Settings())

    assert len(groups) == 5
    assert sorted(lane.name for group in groups for lane in group.lanes) == sorted(
        lane.name for lane in LANES
    )


def test_a_question_never_shares_a_worker_with_documents() -> None:
    for group in lane_groups(Settings()):
        assert group.stages <= QUESTIONS or not group.stages & QUESTIONS


def test_a_scan_shares_a_worker_with_no_stage_of_a_document_of_text() -> None:
    (group,) = [group for group in lane_groups(Settings()) if Stage.RECOGNISE in group.stages]

    assert not group.stages & {Stage.PARSE, Stage.FETCH, Stage.EMBED, Stage.INDEX, Stage.PURGE}


def test_a_server_that_hangs_holds_up_no_document_that_is_not_fetched() -> None:
    (group,) = [group for group in lane_groups(Settings()) if Stage.FETCH in group.stages]

    assert not group.stages & {Stage.PARSE, Stage.EMBED, Stage.INDEX, Stage.RECOGNISE}


def test_a_worker_of_several_lanes_is_as_nice_as_the_nicest_of_them() -> None:
    for group in lane_groups(Settings()):
        assert group.nice == max(lane.nice for lane in group.lanes)


def test_a_lane_that_waits_for_a_server_s_model_has_a_worker_of_its_own() -> None:
    far = _workers(jina_base_url="http://jina.example")
    written = _workers(generator="openai", generator_url="http://writer.example")

    assert {"embed-query", "rerank", "generate"} <= set(far)
    assert {"embed-query+rerank", "generate"} <= set(written)


def test_without_shared_workers_each_lane_has_the_worker_of_a_container() -> None:
    settings = Settings(shared_workers=False)

    groups = lane_groups(settings)

    assert [group.name for group in groups] == [lane.name for lane in LANES]
    assert [group.command(settings) for group in groups] == [lane.command(settings) for lane in LANES]


@pytest.mark.parametrize("sharing", SHARING, ids="+".join)
def test_a_shared_worker_takes_from_all_its_queues_in_one_slot(sharing: tuple[str, ...]) -> None:
    command = LaneGroup.of(sharing, "solo").command(Settings())

    assert command[command.index("--queues") + 1] == ",".join(sharing)
    assert command[command.index("--hostname") + 1] == f"{'+'.join(sharing)}@%h"
    assert command[command.index("--concurrency") + 1] == "1"
    assert command[command.index("--pool") + 1] == "solo"
