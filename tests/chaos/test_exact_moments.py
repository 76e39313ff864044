"""Parts are killed in the middle of a task, and between two steps that belong together.

The short form deals all blows in one run, the long form each in runs of its own.
"""

from collections.abc import Sequence

import pytest

from tasks.submit.submissions import LANES
from tests.chaos import blows
from tests.chaos.attack import Attack
from tests.chaos.blows import Blow
from tests.chaos.stack import Target

pytestmark = pytest.mark.timeout(1200)

AT_A_MOMENT = (
    blows.end_at("api", "api.publish"),  # first, since it takes longest until the sweeper knows
    blows.end_at("api", "api.accept"),
    *map(blows.kill_in_a_task, (lane for lane in LANES if lane in blows.IN_A_TASK)),
    *map(blows.kill_pool_process_in_a_task, ("parse", "embed", "index", "generate", "maintenance")),
    blows.kill_before("parse", "advance"),
    blows.kill_before("index", "publish"),
    blows.kill_before("index", "finish"),
    blows.end_at("vectors", "vectors.upserted"),
)


@pytest.mark.dealt(*AT_A_MOMENT)
def test_blows_at_exact_moments(rigged: Target, attack: Attack, dealt: Sequence[Blow], run: int) -> None:
    attack(rigged, *dealt, seed=run)
