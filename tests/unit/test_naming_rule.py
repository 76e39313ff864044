"""The check of names in ``make lint``."""

from pathlib import Path

import pytest

from tests.naming import main, misnamed

CHANGES = {
    "returns nothing": "def released(lease) -> None: ...",
    "calls for the effect": "def released(lease) -> bool:\n    send(lease)\n    return True",
    "awaits for the effect": "async def _told(self) -> int:\n    await self.queue.put(1)\n    return 1",
    "sets what is another's": "def taken(self) -> int:\n    self.count += 1\n    return self.count",
    "is irregular": "def given_up(job) -> str:\n    job.end()\n    return 'given up'",
}
VALUES = {
    "makes a value": "def released(leases) -> list:\n    found = []\n    found.append(1)\n    return found",
    "is a property": "class A:\n  @property\n  def closed(self) -> bool:\n    self.look()\n    return True",
    "holds for a block": "@contextmanager\ndef held(lock) -> Iterator[None]:\n    lock.acquire()\n    yield",
    "checks before": "def parsed(text) -> str:\n    check_length(text)\n    return text",
    "is a verb": "def embed(texts) -> None:\n    model.run(texts)",
    "has a helper that acts": "def wrapped(act) -> object:\n    def run():\n        act()\n    return run",
}


@pytest.mark.parametrize("code", CHANGES.values(), ids=list(CHANGES))
def test_a_participle_that_changes_something_is_told(tmp_path: Path, code: str) -> None:
    (tmp_path / "a.py").write_text(code)

    assert [line.rpartition(": ")[2] for line in misnamed(tmp_path / "a.py")] == [
        "name it by an imperative verb"
    ]


@pytest.mark.parametrize("code", VALUES.values(), ids=list(VALUES))
def test_a_name_of_a_value_is_right(tmp_path: Path, code: str) -> None:
    (tmp_path / "a.py").write_text(code)

    assert list(misnamed(tmp_path / "a.py")) == []


def test_all_of_ours_are_right() -> None:
    assert main() == 0
