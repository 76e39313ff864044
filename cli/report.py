"""The summary of ``aegis doctor``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.examination.finding import Finding


def verdict(findings: Sequence["Finding"]) -> str:
    """How many findings are bad, in one line with rich's markup."""
    bad = sum(finding.state == "bad" for finding in findings)
    if not bad:
        return "[bold green]nothing is wrong[/]"
    return f"[bold red]{bad} thing{'s' * (bad != 1)} to mend[/]"
