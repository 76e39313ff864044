"""Which stages of other lanes a worker may go on with."""

import pytest

from rag.model import Stage
from rag.settings import Settings
from tasks.lanes import LANES, Lane, lane_named
from workers.follow_ups import follow_ups_of

QUESTION = {Stage.EMBED_QUERY, Stage.SEARCH, Stage.RERANK, Stage.GENERATE}
EXTRACTIVE = Settings(generator="extractive")


def test_reranking_goes_on_with_quoting_which_runs_no_model() -> None:
    assert follow_ups_of((lane_named("rerank"),), EXTRACTIVE) == {Stage.GENERATE}


def test_generation_by_a_model_stays_where_the_model_is() -> None:
    settings = Settings(generator="openai", generator_url="http://127.0.0.1:9")

    assert follow_ups_of((lane_named("rerank"),), settings) == frozenset()


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_questions_and_documents_never_go_on_with_each_other(lane: Lane) -> None:
    found = follow_ups_of((lane,), EXTRACTIVE)

    assert found <= QUESTION if QUESTION & set(lane.stages) else not found & QUESTION


def test_a_worker_of_several_lanes_goes_on_in_each_of_them() -> None:
    lanes = [lane_named(name) for name in ("embed-query", "rerank", "maintenance")]

    assert follow_ups_of(lanes, EXTRACTIVE) == QUESTION
