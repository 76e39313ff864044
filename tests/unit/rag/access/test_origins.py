"""Which requests are taken for those that a foreign page had a browser send."""

from typing import Any

import pytest

from rag.access.origins import OriginPolicy, RequestContext
from rag.settings import Settings
from rag.web.addresses import host_of, is_loopback

PAGE = "http://127.0.0.1:3000"


def policy(*, anonymous: bool = True, **fields: Any) -> OriginPolicy:
    settings = Settings.model_validate(fields)
    return OriginPolicy.of(settings, anonymous=anonymous, origins=settings.cors_origins, guarded="/v1/")


def sent(**fields: Any) -> RequestContext:
    plain = {"method": "POST", "path": "/v1/backups", "host": "127.0.0.1:8910", "arrived": "127.0.0.1"}
    return RequestContext(**{**plain, **fields})


def code(refusing: OriginPolicy, **fields: Any) -> str | None:
    refusal = refusing.refusal(sent(**fields))
    return refusal.code if refusal else None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8910",
        "LOCALHOST:80",
        "127.0.0.1:8910",
        "127.8.9.1",
        "[::1]:8910",
        "localhost.",
    ],
)
def test_loopback_names_are_ours(host: str) -> None:
    assert code(policy(), host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8910", "localhost.evil.example", "evil.localhost", "127.0.0.1.evil.example:8910",
        "192.168.1.7:8910", "user@localhost", "localhost/x", "localhost:x", "[::1", "", "a b", "\tlocalhost",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_key_another_host_is_refused(host: str, method: str) -> None:
    """A page whose name leads to our address since it was loaded: DNS rebinding."""
    assert code(policy(), host=host, method=method) == "foreign-host"


def test_names_that_are_set_are_ours_too() -> None:
    named = policy(allowed_hosts=["rag.example.com", "*.lan"], api_host="myhost", allow_anonymous=True)

    for host in ("rag.example.com", "RAG.example.com:443", "a.lan:8910", "myhost:8910"):
        assert code(named, host=host, arrived="10.0.0.2") is None
    for host in ("example.com", "other.example.com", "lan", "evil-lan"):
        assert code(named, host=host) == "foreign-host"
    assert code(policy(allowed_hosts=["*"]), host="anybody") is None


def test_where_other_machines_reach_us_any_address_will_do() -> None:
    public = policy(api_host="0.0.0.0", allow_anonymous=True)

    assert code(public, host="192.168.1.7:8910", arrived="172.17.0.2") is None
    assert code(public, host="[2001:db8::7]:8910", arrived="172.17.0.2") is None
    assert code(public, host="evil.example:8910", arrived="172.17.0.2") == "foreign-host"


def test_with_keys_the_host_counts_only_where_names_are_set() -> None:
    assert code(policy(anonymous=False), host="rag.behind.an.ingress") is None
    assert code(policy(anonymous=False, allowed_hosts=["rag.lan"]), host="other.lan") == "foreign-host"


def test_without_a_key_only_this_machine_is_served_whatever_the_server_was_told_to_listen_on() -> None:
    assert code(policy(), arrived="192.168.1.7") == "no-key-elsewhere"
    assert code(policy(), arrived="::ffff:127.0.0.1") is None
    assert code(policy(allow_anonymous=True), arrived="192.168.1.7") is None
    assert code(policy(anonymous=False), arrived="192.168.1.7") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": PAGE, "site": "same-site"},
        {"origin": "https://evil.example", "site": "cross-site"},
        {"origin": "null", "site": "cross-site"},
        {"site": "cross-site"},
        {"site": "unheard-of"},
        {"origin": PAGE},  # of browsers before 2023
        {"origin": "null"},
        {"origin": "http://localhost:8910"},  # another name is another origin
        {"origin": ""},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "INVENTED"])
def test_a_page_of_another_origin_changes_nothing(headers: dict[str, str], method: str) -> None:
    for refusing in (policy(), policy(anonymous=False)):
        assert code(refusing, method=method, mode="navigate", **headers) == "foreign-origin"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"site": "same-origin", "origin": "http://127.0.0.1:8910"},
        {"site": "none"},
        {"origin": "http://127.0.0.1:8910"},
        {"site": "same-origin", "origin": "https://rag.example.com"},  # behind a proxy with a Host of its own
    ],
)
def test_programs_and_our_own_pages_may_do_everything(headers: dict[str, str]) -> None:
    assert code(policy(), **headers) is None


def test_origins_that_are_set_may_do_everything() -> None:
    app = policy(cors_origins=["https://app.example.com"])

    assert code(app, origin="https://app.example.com", site="cross-site") is None
    assert code(app, origin="https://app.example.com.evil.example", site="cross-site") == "foreign-origin"
    assert code(policy(cors_origins=["*"]), origin="https://anybody.example", site="cross-site") is None


def test_a_foreign_page_may_link_to_us_and_read_nothing_of_the_api() -> None:
    foreign = {"method": "GET", "site": "cross-site"}

    assert code(policy(), path="/v1/jobs", mode="no-cors", **foreign) == "foreign-origin"
    assert code(policy(), path="/v1/jobs", mode="navigate", **foreign) is None
    assert code(policy(), path="/", mode="navigate", **foreign) is None
    assert code(policy(), path="/health", mode="no-cors", **foreign) is None


@pytest.mark.parametrize(
    ("host", "loopback"), [("::1", True), ("0.0.0.0", False), ("10.0.0.1", False), ("", False)]
)
def test_loopback_is_what_no_other_machine_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_hostile_hosts_are_none() -> None:
    for text in ("a" * 100_000 + ":x", "[" * 50_000, "\x00", "//x", "x?y", "x#y", "é:99999"):
        assert host_of(text) is None or host_of(text) == text
