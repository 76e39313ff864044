"""How long the stack is attacked."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak")
    group.addoption("--soak-minutes", type=float, default=1.0, help="minutes of attack; make soak: 30")
