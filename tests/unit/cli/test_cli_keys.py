"""``aegis keys`` and ``aegis audit``: what they send, show and print."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.client.client import Client
from cli.commands.call import Call
from cli.main import app
from rag.model import Json


def key(key_id: str | None = "mfzwizltoq2dkojy", **fields: Any) -> Json:
    return {
        "id": key_id,
        "name": "ci",
        "role": "read",
        "collections": ["handbook"],
        "state": "active",
        "created_at": "2026-11-23T10:00:00Z",
        "created_by": "root",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "grace_until": None,
        "restored_from": None,
        **fields,
    }


ENTRY = {
    "at": "2026-11-23T10:00:00Z", "kind": "writes", "key": "ci", "key_id": None, "role": "write",
    "method": "PUT", "path": "/v1/collections/[red]c[/]", "collection": None, "status": 201,
    "address": "127.0.0.1", "request_id": "r1", "job_id": None,
}  # fmt: skip


class Desk(Client):
    """An API that knows a few keys."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.known = [key(None, name="root"), key(), key("b" * 16, name="back", state="suspended")]

    def close(self) -> None: ...

    def make_key(self, **fields: object) -> Json:
        self.calls.append(("make", fields))
        return key(key="aegis_x_SECRET", collections=fields["collections"])

    def made_keys(self) -> Iterator[Json]:
        yield from self.known

    def rotate_key(self, key_id: str, **options: object) -> Json:
        self.calls.append(("rotate", key_id, options))
        return key(key="aegis_x_OTHER")

    def revoke_key(self, key_id: str) -> Json:
        self.calls.append(("revoke", key_id))
        return key(state="revoked")

    def activate_key(self, key_id: str) -> Json:
        self.calls.append(("activate", key_id))
        return key(name="back")

    def audit(self, **wanted: str | None) -> Iterator[Json]:
        self.calls.append(("audit", wanted))
        while True:
            yield ENTRY


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(Call, "client", lambda _: desk)
    return desk


def aegis(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_new_key_is_alone_on_stdout(desk: Desk) -> None:
    result = aegis("keys", "create", "ci", "--role", "read", "--collection", "a", "--collection", "b")

    assert result.exit_code == 0, result.output
    assert result.stdout == "aegis_x_SECRET\n"
    assert "shown this once" in result.stderr
    assert desk.calls == [("make", {"name": "ci", "role": "read", "collections": ["a", "b"]})]


def test_what_a_key_may_do_is_said_in_full(desk: Desk) -> None:
    assert aegis("keys", "create", "ci", "--role", "read").exit_code == 2
    assert aegis("keys", "create", "ci", "--collection", "*").exit_code == 2
    assert desk.calls == []


def test_an_expiry_and_a_grace_are_sent(desk: Desk) -> None:
    aegis("keys", "create", "ci", "--role", "read", "--collection", "*", "--days", "30")
    aegis("keys", "rotate", "mfz", "--grace", "0.5")

    made, rotated = desk.calls
    assert made[1]["expires_at"] > "2026"  # type: ignore[index]  # a mapping of the call's
    assert rotated == ("rotate", "mfzwizltoq2dkojy", {"grace_seconds": 1800})


def test_the_list_shows_all_but_secrets(desk: Desk) -> None:
    shown = aegis("keys", "list")

    assert shown.exit_code == 0, shown.output
    for word in ("API_KEYS", "mfzwizltoq2dkojy", "suspended", "handbook"):
        assert word in shown.stdout
    assert json.loads(aegis("keys", "list", "--json").stdout) == desk.known


def test_all_that_a_restore_brought_back_is_activated_at_once(desk: Desk) -> None:
    assert aegis("keys", "activate").exit_code == 2
    assert aegis("keys", "activate", "ID", "--restored").exit_code == 2

    assert aegis("keys", "activate", "--restored").exit_code == 0
    assert aegis("keys", "revoke", "mfz").stdout == "ci is revoked\n"

    assert desk.calls == [("activate", "b" * 16), ("revoke", "mfzwizltoq2dkojy")]


def test_the_audit_log_is_shown_as_far_as_asked_for(desk: Desk) -> None:
    shown = aegis("audit", "--limit", "3", "--kind", "writes", "--key", "ci")
    lines = aegis("audit", "--limit", "2", "--json").stdout.splitlines()

    assert shown.stdout.count("PUT") == 3
    assert "[red]" in shown.stdout, "what callers send is no markup"
    assert [json.loads(line) for line in lines] == [ENTRY, ENTRY]
    assert desk.calls[0] == ("audit", {"kind": "writes", "key": "ci"})


@pytest.mark.parametrize("days", ["1e300", "1e9", "inf", "nan"])
def test_a_day_that_no_calendar_has_is_status_2(desk: Desk, days: str) -> None:
    refused = aegis("keys", "create", "ci", "--role", "read", "--collection", "a", "--days", days)

    assert refused.exit_code == 2
    assert aegis("keys", "rotate", "m", "--grace", "nan").exit_code == 2
    assert desk.calls == []
