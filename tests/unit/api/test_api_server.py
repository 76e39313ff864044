"""How many connections a process holds, by its setting and by what the system lets it open."""

import resource

import pytest

from api.server import affordable

NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "held", "raised"),
    [
        (1024, NO_LIMIT, 1000, 2512),
        (1024, 4096, 1000, 2512),
        (1024, 1024, 256, 1024),
        (256, 2000, 744, 2000),
        (4096, 4096, 1000, None),
        (NO_LIMIT, NO_LIMIT, 1000, None),
    ],
)
def test_no_more_connections_than_there_are_files_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, held: int, raised: int | None
) -> None:
    changes: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: changes.append(limits))

    assert affordable(1000) == held
    assert changes == ([] if raised is None else [(raised, hard)])
