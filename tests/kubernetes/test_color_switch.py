"""deploy/blue-green.sh on real pods, under traffic."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kubernetes.conftest import NEXT, PRESENT
from tests.kubernetes.installation import Installation
from tests.kubernetes.network import entered
from tests.kubernetes.overlays import NAMESPACE
from tests.kubernetes.traffic import Traffic
from tests.system.running import until

pytestmark = pytest.mark.timeout(1200)

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "blue-green.sh"
NOTHING_SWITCHED, SWITCHED_BACK = 1, 3
SWITCH_SECONDS = 300.0


@pytest.fixture
def blue(aegis: Installation) -> Iterator[Installation]:
    """Blue serves, and green has no pod; so it is afterwards."""
    assert _color(aegis) == "blue"
    yield aegis
    aegis.apply(PRESENT)
    aegis.until_rolled_out()


def test_a_new_version_takes_over_without_a_failed_request(blue: Installation) -> None:
    """Given traffic, when a version is rolled out beside the present one, then it serves, and none fails."""
    with Traffic(blue.url, blue.cluster.network) as traffic, _rolling_out(blue, NEXT) as script:
        said, _ = script.communicate(timeout=900)
    assert script.returncode == 0, said
    assert _color(blue) == "green"
    assert traffic.failed == {}, traffic.answers
    assert blue.pods.names("aegis-rag/color=blue") == []


def test_a_version_that_does_not_start_gets_no_traffic(blue: Installation) -> None:
    """Given traffic, when a version's image cannot be had, then nothing is switched, and no request fails."""
    with (
        Traffic(blue.url, blue.cluster.network) as traffic,
        _rolling_out(blue, "absent", "--timeout", "30") as script,
    ):
        said, _ = script.communicate(timeout=600)
    assert script.returncode == NOTHING_SWITCHED, said
    assert _color(blue) == "blue"
    assert traffic.failed == {}, traffic.answers


def test_a_version_that_breaks_after_the_switch_is_taken_back(blue: Installation) -> None:
    """Given the traffic on a new version, when one of its pods dies, then the old one serves again."""
    with _rolling_out(blue, NEXT, "--watch", "300") as script:
        until(lambda: _color(blue) == "green" or script.poll() is not None, SWITCH_SECONDS)
        for pod in blue.pods.names("aegis-rag/color=green")[:1]:
            blue.node.images.kill(blue.pods.container_of(pod))
        said, _ = script.communicate(timeout=600)
    assert script.returncode == SWITCHED_BACK, said
    assert _color(blue) == "blue"
    with Traffic(blue.url, blue.cluster.network) as traffic:
        until(lambda: traffic.answers.total() > 20, 120)
    assert traffic.failed == {}, traffic.answers


@contextmanager
def _rolling_out(
    installation: Installation, version: str, *options: str
) -> Iterator["subprocess.Popen[str]"]:
    """The script at work; a later option counts more than an earlier one."""
    command = [str(SCRIPT), "--watch", "15", "--drain", "5", *options, version]
    with entered(installation.cluster.network):
        script = subprocess.Popen(
            command, env=dict(installation.kubectl.environment()), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield script
    finally:
        if script.poll() is None:
            script.terminate()
            script.wait(120)


def _color(installation: Installation) -> str:
    found: str = installation.kubectl.get("service", "aegis-api-active", NAMESPACE)["spec"]["selector"][
        "aegis-rag/color"
    ]
    return found
