"""One run: load on a stack, something done to it meanwhile, and the account afterwards."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
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
class Attack:
    """Runs of one scenario. ``told`` takes a line a run; ``report``: folder for all of them, or None."""

    name: str
    scale: Scale
    told: list[str]
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
        began = time.monotonic()
        ledger = Ledger()
        with self._logs_kept(target):
            with Load(target.url, ledger, self.scale, seed) as load:
                until(load.reached(0.2), _START_SECONDS)
                for blow in dealt:
                    blow(target, load)
            account = Audit(target, ledger, also or {}).closed(time.monotonic() + DEADLINE_SECONDS)
            account.seconds = time.monotonic() - began
            self._tell(account)
            assert account.clean, account.story()
            target.until_whole()
        return account

    def _tell(self, account: Account) -> None:
        self.told.append(f"{self.name}: {account.line()}")
        if self.report:
            self.report.mkdir(parents=True, exist_ok=True)
            with (self.report / "chaos.jsonl").open("a") as lines:
                lines.write(json.dumps({"scenario": self.name, **account.as_json()}) + "\n")

    @contextmanager
    def _logs_kept(self, target: Target) -> Iterator[None]:
        """What the parts wrote is kept beside the accounts when a run fails."""
        try:
            yield
        except BaseException:
            if self.report:
                target.keep_logs(self.report / self.name)
            raise
