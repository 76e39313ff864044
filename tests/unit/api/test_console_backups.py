"""The console's page of backups: how often it asks, and what it shows of a job at work."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.routes.pages import STATIC
from tests.chaos.requirements import missing

PAGE = Path(__file__).with_name("consolepage.mjs")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    node = shutil.which("node")
    if node is None:
        missing("Node, to run the console's page")
    folder = tmp_path_factory.mktemp("console") / "static"
    shutil.copytree(STATIC, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    ran = subprocess.run([node, PAGE, folder], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_page_that_is_open_leaves_the_rate_limit_to_others(seen) -> None:
    assert seen["minute"] <= 30, seen["calls"]


def test_all_kinds_of_jobs_come_by_one_call(seen) -> None:
    asked = {path for path in seen["calls"] if path.startswith("/v1/jobs?")}

    assert asked == {
        "/v1/jobs?kind=backup&kind=verify&kind=rehearse&kind=restore&kind=prune&limit=12",
    }


def test_a_job_is_shown_as_its_events_come(seen) -> None:
    assert seen["waiting"]["tag"] == "waiting"
    assert seen["working"] == {
        "tag": "storing 750.0 MB/1.0 GB", "value": 750_000_000, "max": 1_000_000_000, "drawn": 1
    }  # fmt: skip


def test_its_end_is_shown_at_once(seen) -> None:
    assert (seen["over"]["tag"], seen["over"]["drawn"]) == ("succeeded", 2)
