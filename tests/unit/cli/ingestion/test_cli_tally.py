"""How far, how fast, and how long still."""

from cli.ingestion.display import Tally

MB = 1_000_000


def test_a_line_has_files_passages_rate_and_what_is_left() -> None:
    tally = Tally(100, 100 * MB)
    assert tally.line(0.0) == "0/100 files, 0 passages"

    for number in range(10):
        tally.end(str(number), MB, 30)

    assert tally.line(10.0) == "10/100 files, 300 passages, 30/s, 1 m 30 s left"


def test_passages_count_while_their_document_is_on_its_way_and_once_only() -> None:
    tally = Tally(2, 2 * MB)
    tally.advance("a", MB, 32, 64)
    tally.advance("a", MB, 16, 64)  # stored after all were embedded, from the first on
    assert tally.passages == 32

    tally.end("a", MB, 64)

    assert tally.passages == 64
    assert tally.share == 0.5


def test_the_estimate_follows_what_is_fast_now() -> None:
    """After thousands of files that were there already."""
    tally = Tally(2_000, 2_000 * MB)
    tally.line(0.0)
    for number in range(1_000):
        tally.end(str(number), MB, 1)
    for second in range(1, 101):
        tally.end(f"slow {second}", MB, 10)
        line = tally.line(float(second))

    assert "15 m 0 s left" in line


def test_no_estimate_before_enough_was_seen_and_none_at_the_end() -> None:
    tally = Tally(2, 2 * MB)
    tally.line(0.0)
    assert "left" not in tally.line(60.0)
    tally.end("a", MB, 1)
    tally.end("b", MB, 1, failed=True)

    assert "left" not in tally.line(90.0)
    assert tally.share == 1.0


def test_a_line_fits_a_terminal_beside_its_bar() -> None:
    tally = Tally(1_234_567, 1_234_567 * MB)
    tally.end("a", 561_000 * MB, 12_345_678)
    tally.line(0.0)
    tally.end("b", 61_000 * MB, 25_000)
    tally.ended = 1_134_567

    assert len(tally.line(25.0)) < 71
