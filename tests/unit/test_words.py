"""What a delivery came to, in a line that stays short."""

import pytest

from tasks.words import told


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([("next: embed", "ingest a")], "next: embed (ingest a)"),
        ([("left to the sweeper: away", "")], "left to the sweeper: away"),
        (
            [
                ("succeeded", "ingest a"),
                ("lost", "ingest b"),
                ("succeeded", "ingest c"),
            ],
            "2 × succeeded (ingest a; ingest c), lost (ingest b)",
        ),
        (
            [("next: index", f"ingest {name}") for name in "abcdefgh"],
            "8 × next: index (ingest a; ingest b; ingest c; 5 more)",
        ),
        (
            [("next: embed (ingest a)", ""), ("dropped", "")],
            "next: embed (ingest a), dropped",
        ),
    ],
)
def test_jobs_that_came_to_the_same_stand_together(words: list[tuple[str, str]], line: str) -> None:
    assert told(words) == line
