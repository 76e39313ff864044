"""What a run writes is its owner's alone, and nobody prepares its folders for it."""

import os
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cli.supervisor.lockfile import lock_home
from cli.supervisor.logs import LogFile
from rag.errors import ConfigurationError, Unavailable
from rag.redis.embedded import command
from rag.settings import Settings, load
from rag.system.folders import private_folder

OTHER = 12345


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a deep home gets, in a temporary one that is open to all; it is not there yet."""
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setattr("rag.settings.derived.gettempdir", lambda: str(shared))
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / ("deep" * 30)))
    return load().run_dir


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_is_ours_is_closed_to_others(short: Path) -> None:
    short.mkdir(mode=0o755)

    assert private_folder(load().run_dir) == short
    assert mode(short) == 0o700


def test_a_link_in_its_place_is_refused(short: Path, tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "nowhere"):
        short.symlink_to(target)

        with pytest.raises(ConfigurationError, match="is no folder"):
            _ = load().run_dir
        with pytest.raises(ConfigurationError, match="is no folder"):
            private_folder(short)
        short.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
@pytest.mark.parametrize("permissions", [0o700, 0o777])
def test_another_users_folder_is_refused(short: Path, permissions: int) -> None:
    short.mkdir()
    short.chmod(permissions)
    os.chown(short, OTHER, OTHER)

    with pytest.raises(ConfigurationError, match=f"belongs to user {OTHER}"):
        _ = load().run_dir
    with pytest.raises(ConfigurationError, match=f"belongs to user {OTHER}"):
        private_folder(short)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_whoever_owns_a_home_owns_what_is_in_it(tmp_path: Path) -> None:
    for folder in (tmp_path / "home", tmp_path / "home" / "run"):
        folder.mkdir()
        os.chown(folder, OTHER, OTHER)

    assert private_folder(Settings(aegis_home=tmp_path / "home").run_dir).is_dir()


def test_homes_logs_and_sockets_are_closed_to_others() -> None:
    with TemporaryDirectory(prefix="aegis-") as folder:  # short, so that the run folder is in it
        _check_modes(Path(folder))


def _check_modes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "logs").mkdir(parents=True, mode=0o755)
    (home / "logs").chmod(0o755)

    LogFile(home / "logs", "api").close()
    command(Settings(aegis_home=home))
    with lock_home(tmp_path / "new"):
        assert mode(tmp_path / "new") == 0o700

    assert {mode(home / name) for name in ("logs", "run", "redis")} == {0o700}


def test_processes_write_for_their_owner_alone(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from rag.startup import starting\n"
        "with starting('it'): pass\n"
        "Path('file').touch(); Path('folder').mkdir()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)

    assert (mode(tmp_path / "file"), mode(tmp_path / "folder")) == (0o600, 0o700)


def test_a_log_file_holds_nothing_that_steers_a_terminal(tmp_path: Path) -> None:
    log = LogFile(tmp_path, "api")
    log.write("a\x1b[31mb\x07\tc\nü\n".encode())
    log.close()

    assert log.path.read_text("utf-8") == "a[31mb\tc\nü\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEYS", '{"the-secret-itself": {"name": "n", "role": "root"}'),
        ("API_KEYS", '["the-secret-itself"]'),
        ("API_KEYS", '{"the-secret-itself": {"name": "n", "role": "root"}}'),
        ("REDIS_URL", "redis:/the-secret-itself"),
        ("JINA_API_KEY", "the-secret-itself ü"),
        ("QDRANT_API_KEY", "the-secret-itself ü"),
        ("BACKUP_KEY", "secret-itself"),
        ("FLOWER_BASIC_AUTH", "the-secret-itself"),
        ("GENERATOR_URL", "ftp://me:the-secret-itself@host"),
        ("QDRANT_URL", "ftp://me:the-secret-itself@host"),
        ("BLOB_ENCRYPTION", "the-secret-itself-in-the-wrong-place"),
        ("MAX_UPLOAD_MB", "the-secret-itself-in-the-wrong-place"),
    ],
)
def test_no_error_of_a_setting_quotes_it_not_even_in_a_traceback(
    name: str, value: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "AEGIS_HOME": str(tmp_path), name: value}

    left = subprocess.run(
        [sys.executable, "-c", "from rag.settings import load; load()"],
        cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert left.returncode == 1
    assert name in left.stderr.upper()
    assert "secret-itself" not in left.stderr


def test_no_error_quotes_a_password_in_an_address() -> None:
    told = Unavailable("https://me:secret@models.example/v1/x?y: 503 (see http://you@other:1, not a@b)")

    assert str(told) == "https://…@models.example/v1/x?y: 503 (see http://…@other:1, not a@b)"
    assert "secret" not in "".join(traceback.format_exception(told))
