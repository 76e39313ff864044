"""A system that lacks some of the isolation says so, and can be refused."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rag import isolation, media
from rag.errors import Unavailable
from rag.isolation import Confinement
from rag.isolation.kernel import LINUX
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings

pytestmark = pytest.mark.skipif(
    not LINUX or any(isolation.missing(isolation.survey(Confinement()))),
    reason="for systems that have all of it",
)

RESTRICTED = """
from rag.isolation import bpf, kernel, privileges, seccomp
from rag.isolation.kernel import X86_64
# As the profile of a container runtime: no namespaces, and no Landlock.
unshare = 272 if kernel.machine() == X86_64 else 97
refused = (0x06, 0, 0, bpf.ERRNO | 1)
code = bpf.assembled([
    *bpf.beginning(kernel.machine()), (0x15, 0, 1, unshare), refused, (0x15, 0, 1, 444), refused,
    (0x06, 0, 0, bpf.ALLOW),
])
privileges.renounce_new_privileges()
seccomp.load(code)
"""


def under_restriction(program: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **settings}
    command = [sys.executable, "-c", RESTRICTED + textwrap.dedent(program)]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)


WARM = """
    import logging
    logging.basicConfig()
    from rag.parsing.parser import IsolatedParser
    from rag.settings import load
    with IsolatedParser(load()) as isolated_parser:
        isolated_parser.warm()
        print(isolated_parser.parse(b"some words", "text/plain", "a.txt").text)
"""


def test_less_isolation_is_logged_once_and_files_are_read() -> None:
    done = under_restriction(WARM)
    assert done.stdout.strip() == "some words", done.stderr
    assert done.stderr.count("less isolation") == 1
    assert "network namespace (Operation not permitted), Landlock (Operation not permitted)" in done.stderr


def test_less_isolation_than_all_is_refused_by_the_setting() -> None:
    done = under_restriction(WARM, PARSE_ISOLATION="strict")
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert "ConfigurationError: PARSE_ISOLATION is strict, and this system lacks network namespace" in last


def test_the_strictest_setting_is_content_with_a_system_that_has_it_all() -> None:
    command = (sys.executable, "-P", "-m", "rag.isolation.probe")
    probe = subprocess.run(command, capture_output=True, check=True, timeout=60)
    if any(isolation.missing(isolation.unpacked(probe.stdout))):
        pytest.skip("there are no namespaces here")

    with IsolatedParser(Settings(parse_isolation="strict")) as isolated_parser:
        isolated_parser.warm()


def test_no_file_is_read_with_less_isolation_than_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is tried again: its document is not the reason."""
    lost = "isolation.Measure(isolation.Mechanism.SECCOMP, False, 'no memory')"
    site = f"from rag import isolation; isolation.enter = lambda *_: ({lost},)"
    (tmp_path / "sitecustomize.py").write_text(site)
    monkeypatch.syspath_prepend(str(tmp_path))

    with IsolatedParser(Settings()) as isolated_parser, pytest.raises(Unavailable):
        isolated_parser.parse(b"some words", media.TEXT, "a.txt")


@pytest.mark.parametrize(("wanted", "state"), [("available", "note"), ("strict", "bad")])
def test_the_doctor_says_what_lacks(wanted: str, state: str) -> None:
    program = """
        from cli.doctor import installation
        from rag.settings import load
        for finding in installation.examine_isolation(load()):
            print(finding.part, finding.state, finding.text, sep="|")
    """
    done = under_restriction(program, PARSE_ISOLATION=wanted)
    lines = dict(line.split("|", 1) for line in done.stdout.splitlines())
    assert lines["isolation: Landlock"] == f"{state}|not on this system: Operation not permitted"
    assert lines["isolation: network namespace"].startswith(f"{state}|")
    assert lines["isolation: seccomp"] == "ok|holds"
