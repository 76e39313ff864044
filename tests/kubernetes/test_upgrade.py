"""From the previous commit's images to this tree's in a real cluster, while jobs come in."""

import pytest

from tests.chaos.attack import Attack
from tests.chaos.load import Load
from tests.kubernetes.conftest import PRESENT, PREVIOUS
from tests.kubernetes.installation import Installation
from tests.kubernetes.network import entered

pytestmark = pytest.mark.timeout(2400)

SUCCESSES = {"200", "202", "404", "409"}
"""What the load's calls are meant to be answered with: it also asks for what is gone."""


def test_an_upgrade_fails_no_request_and_loses_no_job(installed_before: Installation, attack: Attack) -> None:
    """Given the previous version under load, when this one is applied, then every call is answered and every
    job ends as promised."""

    if installed_before.version != PREVIOUS:
        pytest.skip("the previous commit has no images that run under deploy/k8s")

    def upgrade(installation: Installation, _load: Load) -> None:
        installation.apply(PRESENT)
        installation.until_rolled_out()

    with entered(installed_before.cluster.network):
        account = attack(installed_before, upgrade)
    assert set(account.answers) <= SUCCESSES, account.line()
