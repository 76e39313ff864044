"""How often and how hard the stack is attacked, and where the accounts of the runs go."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.attack import Attack
from tests.chaos.audit import Account
from tests.chaos.load import Scale
from tests.chaos.stack import Target, running
from tests.chaos.summary import table

SHORT = Scale(jobs=40, frozen_seconds=8, settings={"LEASE_SECONDS": "6"})
LONG = Scale(jobs=200, frozen_seconds=60, settings={})
TOLD = pytest.StashKey[list[tuple[str, Account]]]()

_RUN = re.compile(r"-?run\d+-?")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--chaos-runs", type=int, default=1, help="runs of each; from 2 on the long form")
    group.addoption("--chaos-report", type=Path, help="folder for accounts and for the logs of failed runs")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "dealt(*blows): all in one run, one a run in the long form")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``run``: as often as the option says; ``dealt``: the blows of one run, from the test's mark."""
    runs = metafunc.config.getoption("chaos_runs", 1)
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", range(runs), ids=lambda run: f"run{run}")
    mark = metafunc.definition.get_closest_marker("dealt")
    if mark:
        cases = [mark.args] if runs == 1 else [(blow,) for blow in mark.args]
        names = ["all"] if runs == 1 else [blow.__name__ for blow in mark.args]
        metafunc.parametrize("dealt", cases, ids=names)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was accepted and what became of it: a line a run, in the long form also a table of sums."""
    told = terminalreporter.config.stash.get(TOLD, [])
    for scenario, account in told:
        terminalreporter.write_line(f"{scenario}: {account.line()}")
    if terminalreporter.config.getoption("chaos_runs", 1) > 1:
        for line in table(told):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> Scale:
    return LONG if pytestconfig.getoption("chaos_runs", 1) > 1 else SHORT


@pytest.fixture
def attack(request: pytest.FixtureRequest, pytestconfig: pytest.Config, scale: Scale, run: int) -> Attack:
    """Named after the test, without the number of the run."""
    scenario = _RUN.sub("", request.node.name).replace("[]", "")
    told = pytestconfig.stash.setdefault(TOLD, [])
    return Attack(scenario, run, scale, told, pytestconfig.getoption("chaos_report", None))


@pytest.fixture(scope="module")
def target(scale: Scale) -> Iterator[Target]:
    """A stack as everybody starts it, shared by a module's tests, since it mends itself."""
    with running(**scale.settings) as target:
        yield target


@pytest.fixture(scope="session", params=["shared", "alone"])
def sharing(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings with which several lanes share a worker, or each has its own as in production."""
    return {"SHARED_WORKERS": "true" if request.param == "shared" else "false"}


@pytest.fixture(scope="module")
def rigged(scale: Scale, sharing: dict[str, str]) -> Iterator[Target]:
    """The same with traps in its parts."""
    with running(rigged=True, **scale.settings, **sharing) as target:
        yield target
