"""Which folder is AEGIS_HOME where nothing names one; a look-up makes nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from cli.client.addresses import base_url
from cli.supervisor.lockfile import StackFile, is_locked, supervisor_of
from rag.settings import Settings
from rag.system import homes
from rag.system.homes import recorded, running_stacks, stack_in, unnamed_home

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of no stack to stand in, of a user of whom nothing is known yet."""
    for name in ("AEGIS_HOME", "API_HOST", "API_PORT", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "user" / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user" / "data"))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Path]:
    """The home of a stack that runs: of this process."""
    home = tmp_path / "its home"
    with recorded(home, "http://127.0.0.1:9123"):
        yield home


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_without_any_other_it_is_the_platforms_folder(tmp_path: Path) -> None:
    before = everything(tmp_path)

    assert Settings().home == tmp_path / "user" / "data" / "aegis-rag"
    assert everything(tmp_path) == before


def test_the_stack_that_runs_has_it(stack: Path, tmp_path: Path) -> None:
    before = everything(tmp_path)

    assert Settings().home == stack
    assert base_url(Settings()) == "http://127.0.0.1:9123"
    assert everything(tmp_path) == before


def test_a_folder_of_ones_own_comes_first(stack: Path, elsewhere: Path) -> None:
    (elsewhere / ".aegis").mkdir()

    assert Settings().home == elsewhere / ".aegis"
    assert base_url(Settings()) == "http://127.0.0.1:8910"


def test_a_folder_of_another_user_is_not_taken_for_ones_own(
    stack: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".aegis").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    assert unnamed_home().path != elsewhere / ".aegis"


def test_what_another_user_wrote_names_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    stack_file = StackFile(tmp_path / "stack.json")
    (tmp_path / "stack.json").write_text(json.dumps({"supervisor": os.getpid(), "written": 9e9, "parts": {}}))
    written = stack_file.written_by()
    assert written is not None
    assert supervisor_of(tmp_path) == written[0] == os.getpid()

    (tmp_path / "stack.json").write_text(
        json.dumps({"supervisor": os.getpid(), "written": 9e9, "parts": {"x": me}})
    )
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    assert supervisor_of(tmp_path) is stack_file.written_by() is None
    assert stack_file.kill_leftovers() == []


def test_a_home_that_is_a_file_holds_no_stack(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    assert not is_locked(tmp_path / "file")


def test_a_named_home_comes_before_all(stack: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / ".aegis").mkdir()
    monkeypatch.setenv("AEGIS_HOME", "named")

    assert Settings().home == elsewhere / "named"
    assert Settings().chosen_home.why == "AEGIS_HOME names it"


def test_a_named_address_comes_before_that_of_the_stack(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "9999")

    assert base_url(Settings()) == "http://127.0.0.1:9999"


def test_a_checkout_has_its_own_whatever_runs(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    assert Settings().home == ROOT / ".aegis"


def test_of_two_stacks_the_later_one_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1000.0, 2000.0])
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: next(moments))
    monkeypatch.setattr(homes, "is_process", lambda _pid, _started: True)
    with ExitStack() as both:
        for name in ("first", "second"):
            both.enter_context(recorded(tmp_path / name, "http://127.0.0.1:1"))

        assert unnamed_home().path == tmp_path / "second"


def test_a_stack_that_was_killed_is_no_longer_meant(tmp_path: Path) -> None:
    """Its process is gone, or is another one of the same number."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom rag.system.homes import recorded\n"
        "with recorded(Path(sys.argv[1]), 'http://a'):\n    os._exit(0)\n"
    )
    killed = tmp_path / "killed"
    subprocess.run([sys.executable, "-c", program, str(killed)], cwd=ROOT, env={**os.environ}, check=True)
    (left,) = (tmp_path / "user" / "state" / "aegis-rag" / "stacks").iterdir()

    assert stack_in(killed) is None
    assert Settings().home != killed
    assert left.exists()

    with recorded(tmp_path / "next", "http://b"):
        assert not left.exists()
        assert [stack.home for stack in running_stacks()] == [str(tmp_path / "next")]
    assert running_stacks() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"home": "/a"}', b"\xff\xfe", b'{"pid": "x"}'])
def test_a_record_that_is_none_is_passed_over(content: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "user" / "state" / "aegis-rag" / "stacks"
    folder.mkdir(parents=True)
    (folder / "0123456789abcdef.json").write_bytes(content)

    assert running_stacks() == []


def test_a_record_is_its_owners_alone(stack: Path, tmp_path: Path) -> None:
    folder = tmp_path / "user" / "state" / "aegis-rag" / "stacks"

    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="where a user's folders are hangs on the platform")
def test_a_user_without_a_home_folder_stays_where_they_are(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)

    assert Settings().home == elsewhere / ".aegis"
    with recorded(elsewhere, "http://a"):
        assert running_stacks() == []
