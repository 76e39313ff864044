"""What a delivery came to, in a line that stays short."""

import pytest

from tasks.stages.stage import Worked, summarize


@pytest.mark.parametrize(
    ("worked", "line"),
    [
        ([Worked("1", "next: embed", "ingest a")], "next: embed (1 ingest a)"),
        ([Worked("", "broken off: away")], "broken off: away"),
        (
            [
                Worked("1", "succeeded", "ingest a"),
                Worked("2", "lost", "ingest b"),
                Worked("3", "succeeded", "ingest c"),
            ],
            "2 × succeeded (1 ingest a; 3 ingest c), lost (2 ingest b)",
        ),
        (
            [Worked(str(n), "next: index", f"ingest {name}") for n, name in enumerate("abcde")],
            "5 × next: index (0 ingest a; 1 ingest b; 2 ingest c; 3; 4)",
        ),
        (
            [Worked(str(n), "next: index") for n in range(18)],
            f"18 × next: index ({'; '.join(map(str, range(16)))}; 2 more)",
        ),
    ],
)
def test_jobs_that_came_to_the_same_stand_together(worked: list[Worked], line: str) -> None:
    assert summarize(worked) == line
