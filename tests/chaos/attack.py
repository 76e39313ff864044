"""One run: load on a stack, something done to it meanwhile, and the account afterwards."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos.audit import Account, Audit
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load, Scale
from tests.chaos.stack import Target
from tests.system.running import until

DEADLINE_SECONDS = 240.0
"""From the end of the load until every job must be over."""

_START_SECONDS = 60.0


@dataclass
class Books:
    """Of one run: the account, empty until it is closed, and the seconds that each blow took."""

    account: Account = field(default_factory=Account)
    dealt: dict[str, float] = field(default_factory=dict)


@dataclass
class Attack:
    """Runs of one scenario. ``told`` takes an account a run; ``report``: folder for all of them, or None."""

    scenario: str
    run: int
    scale: Scale
    told: list[tuple[str, Account]]
    report: Path | None

    def __call__(
        self,
        target: Target,
        *dealt: Callable[[Target, Load], None],
        seed: int = 0,
        also: Mapping[str, Set[str]] | None = None,
    ) -> Account:
        """Deal the blows under load, one after the other. Fails when the account is not clean.

        ``also``: states in which jobs of a kind may end besides those they were promised.
        """
        ledger = Ledger()
        with self.accounted(target) as books:
            with Load(target.url, ledger, self.scale, seed) as load:
                until(load.reached(0.2), _START_SECONDS)
                books.dealt = {blow.__name__: _seconds(partial(blow, target, load)) for blow in dealt}
            books.account = Audit(target, ledger, also or {}).closed(time.monotonic() + DEADLINE_SECONDS)
            assert books.account.clean, books.account.story()
            target.until_whole()
        return books.account

    @contextmanager
    def accounted(self, target: Target) -> Iterator[Books]:
        """The account is told however the run ends; what the parts wrote is kept when it fails."""
        began, books = time.monotonic(), Books()
        try:
            yield books
        except BaseException as error:
            books.account.faults.append(f"the run failed: {str(error)[:200]!r}")
            if self.report:
                target.keep_logs(self.report / f"{self.scenario}-{self.run}")
            raise
        finally:
            books.account.seconds = time.monotonic() - began
            self._tell(books)

    def _tell(self, books: Books) -> None:
        self.told.append((self.scenario, books.account))
        if self.report:
            self.report.mkdir(parents=True, exist_ok=True)
            line = {"scenario": self.scenario, "run": self.run, "dealt": books.dealt, **asdict(books.account)}
            with (self.report / "chaos.jsonl").open("a") as lines:
                lines.write(f"{json.dumps(line)}\n")


def _seconds(act: Callable[[], None]) -> float:
    began = time.monotonic()
    act()
    return round(time.monotonic() - began, 1)
