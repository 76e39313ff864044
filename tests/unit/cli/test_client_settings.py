"""A client's settings: which API, which key, and what is refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings.client import ClientSettings, profiles_file

PROFILES = """
[prod]
url = "https://rag.example.com/aegis/"
key = "prod-key"

[lab]
url = "http://lab.test:8910"
"""
Profiles = Callable[..., Path]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and to be the user's, with no variable that says anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    ours = ("AEGIS_URL", "AEGIS_PROFILE", "AEGIS_API_KEY", "API_KEY", "API_HOST", "API_PORT")
    for name in (*ours, "AEGIS_API_KEY_FILE", "API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def profiles() -> Profiles:
    def write(content: str = PROFILES, mode: int = 0o600) -> Path:
        path = profiles_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    return write


def found(url: str | None = None, profile: str | None = None) -> tuple[str, str | None]:
    settings = ClientSettings.of(url, profile)
    return settings.url, settings.key


def test_without_anything_it_is_the_stack_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found() == ("http://127.0.0.1:8910", None)

    for name, value in {"API_HOST": "::", "API_PORT": "8911", "API_KEY": "local"}.items():
        monkeypatch.setenv(name, value)
    assert found() == ("http://[::1]:8911", "local")


def test_where_a_file_says_how_the_stack_here_is_set_up_the_servers_settings_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6379")
    monkeypatch.setenv("API_KEY", "local")

    assert found() == ("http://127.0.0.1:8910", "local")


def test_a_nearer_word_goes_first(profiles: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles()
    monkeypatch.setenv("AEGIS_PROFILE", "lab")
    assert found()[0] == "http://lab.test:8910"
    monkeypatch.setenv("AEGIS_URL", "https://other.test")
    assert found()[0] == "https://other.test"
    assert found(profile="prod")[0] == "https://rag.example.com/aegis"
    assert found(url="http://option.test/")[0] == "http://option.test"


def test_the_key_is_of_the_profile_that_is_named_else_of_the_environment(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles()
    assert found(profile="prod")[1] == "prod-key"
    monkeypatch.setenv("AEGIS_API_KEY", "environment-key")

    assert found(profile="prod")[1] == "prod-key"
    assert found(profile="lab")[1] == "environment-key"
    monkeypatch.setenv("AEGIS_PROFILE", "prod")
    assert found()[1] == "environment-key"


def test_the_local_stacks_key_goes_to_no_profile_and_a_profiles_key_to_no_other_address(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles()
    monkeypatch.setenv("API_KEY", "local")
    assert found(profile="lab")[1] is None
    monkeypatch.delenv("API_KEY")
    monkeypatch.setenv("AEGIS_PROFILE", "prod")
    assert found(url="http://option.test")[1] is None


def test_a_key_may_lie_in_a_file(folder: Path, profiles: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = folder / "key"
    secret.write_text("from-a-file\n")
    secret.chmod(0o600)
    monkeypatch.setenv("AEGIS_API_KEY_FILE", str(secret))
    assert found()[1] == "from-a-file"
    monkeypatch.delenv("AEGIS_API_KEY_FILE")

    profiles(f'[prod]\nurl = "https://rag.example.com"\nkey_file = "{secret}"\n')
    assert found(profile="prod")[1] == "from-a-file"
    secret.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        found(profile="prod")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_profile_with_a_key_that_others_may_read_is_refused(profiles: Profiles, mode: int) -> None:
    path = profiles(mode=mode)

    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
        found(profile="prod")
    assert found(profile="lab")[0] == "http://lab.test:8910"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there is no profile 'prod'"),
        ("prod = 1", "there is no profile 'prod'"),
        ("[prod", "is no TOML"),
        ("[prod]\nurl = 1", "texts in quotation marks"),
        ('[prod]\nkey = "k"', "is no address"),
        ('[prod]\nurl = "https://a.test"\nkye = "k"', "'kye' means nothing"),
        ('[prod]\nurl = "https://a.test"\nkey = "k"\nkey_file = "f"', "leave one of them out"),
        ('[prod]\nurl = "https://a.test"\nkey_file = "not-there"', "there is no file"),
    ],
)
def test_a_profile_that_is_not_right_says_why(profiles: Profiles, content: str, said: str) -> None:
    profiles(content)

    with pytest.raises(ConfigurationError, match=said):
        found(profile="prod")


@pytest.mark.parametrize(
    "url",
    ["rag.example.com", "ftp://a.test", "http://", "http://a:99999", "https://u:p@a.test", "http://a/?q=1"],
)
def test_what_is_no_address_of_an_api_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        found(url=url)

    assert "u:p@" not in str(refused.value)


@pytest.mark.parametrize("port", ["0", "65536", "no", "٣", "9" * 9])
def test_what_is_no_port_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", port)

    with pytest.raises(ConfigurationError, match="API_PORT"):
        found()


def test_two_words_about_one_thing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        found(url="http://a.test", profile="prod")
    monkeypatch.setenv("AEGIS_API_KEY", "k")
    monkeypatch.setenv("AEGIS_API_KEY_FILE", "f")
    with pytest.raises(ConfigurationError, match="AEGIS_API_KEY and AEGIS_API_KEY_FILE"):
        found()


@pytest.mark.parametrize("key", ["with space", "ключ", "line\nbreak"])
def test_a_key_that_no_header_carries_is_refused_and_not_quoted(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_API_KEY", key)

    with pytest.raises(ConfigurationError) as refused:
        found()

    assert key not in str(refused.value)


def test_a_key_shows_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_API_KEY", "secret-key")

    assert "secret-key" not in repr(ClientSettings.of())


def test_a_client_needs_none_of_a_servers_settings_and_imports() -> None:
    """Other settings may be as wrong as they like, and nothing is loaded that a call does not take."""
    program = (
        "import sys, cli.main\n"
        "from cli.commands.call import Call\n"
        "connected = Call.client\n"
        "def client(call):\n"
        "    from cli.client.client import Client\n"
        "    Client.all_jobs = lambda *_, **__: iter(())\n"
        "    return connected(call)\n"
        "Call.client = client\n"
        "sys.argv = ['aegis', 'jobs', '--state', 'failed', '--url', 'http://127.0.0.1:9']\n"
        "try:\n"
        "    cli.main.run()\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'celery', 'redis', 'numpy', 'pydantic', 'psutil', 'pygments', 'rag.model'}\n"
        "print(', '.join(sorted(heavy & set(sys.modules))))"
    )
    wrong = {"REDIS_URL": "nonsense", "API_PORT": "none", "MAX_ATTEMPTS": "-1"}

    checked = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        check=True,
    )

    assert checked.stdout.splitlines() == ["There are no such jobs.", ""]


@pytest.mark.parametrize(
    "url", ["http://a..b", "http://a b", f"http://{'a' * 70}.test", "http://\udcff.test"]
)
def test_a_host_that_nobody_can_look_up_is_no_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_URL", url)

    with pytest.raises(ConfigurationError, match=r"AEGIS_URL: .* is no address"):
        found()


def test_the_folder_of_a_user_whom_nobody_knows_is_one_line(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles('[a]\nurl = "http://a.test"\nkey_file = "~nobody-here/key"\n')
    with pytest.raises(ConfigurationError, match="key_file: ~nobody-here/key"):
        found(profile="a")

    monkeypatch.setenv("AEGIS_HOME", "~nobody-here/stack")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="AEGIS_HOME"):
            found()
        monkeypatch.delenv("AEGIS_CONFIG", raising=False)
