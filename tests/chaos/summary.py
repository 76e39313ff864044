"""The sums of every scenario's runs, as a table to print."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from tests.chaos.audit import Account

_SUMS = ("accepted", "finished", "lost", "doubled", "stuck", "wrong", "violations")
_HEAD = ("scenario", "runs", "unclean", *_SUMS, "points", "seconds")


def table(told: Iterable[tuple[str, Account]]) -> list[str]:
    """A line a scenario under a head, in the order of their names; ``told``: an account a run."""
    rows = [_HEAD, *_rows(sorted(told, key=_name))]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rows(told: Sequence[tuple[str, Account]]) -> Iterator[tuple[str, ...]]:
    for scenario, runs in groupby(told, key=_name):
        accounts = [account for _, account in runs]
        unclean = sum(not account.clean for account in accounts)
        sums = (sum(getattr(account, name) for account in accounts) for name in _SUMS)
        points = f"{sum(a.points for a in accounts)}/{sum(a.points_expected for a in accounts)}"
        seconds = f"{sum(a.seconds for a in accounts):.0f}"
        yield (scenario, *(str(figure) for figure in (len(accounts), unclean, *sums)), points, seconds)


def _name(told: tuple[str, Account]) -> str:
    return told[0]
