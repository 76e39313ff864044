"""``aegis ingest`` of a folder whose names are hostile, at a real API."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.client.client import Client
from cli.main import app
from tests.integration.apiserver import Service, serving, settings_of

NAMES = {
    b"guides/vpn.md": "guides/vpn.md",
    b"guides/chunks": "guides/chunks",
    b"a\nb.md": "a%0Ab.md",
    b"a%0Ab.md": "a%250Ab.md",
    b"\xff\xfe.md": "%FF%FE.md",
    b"\x1b[31mred.md": "%1B[31mred.md",
    b"back\\slash.md": "back%5Cslash.md",
    b" ": "%20",
    b"  two spaces.md ": "  two spaces.md ",
    b"?#&;=+%.md": "?#&;=+%.md",
    b'"quoted".md': '"quoted".md',
    "\u202egpj.md".encode(): "%E2%80%AEgpj.md",
    "\U0001f600.md".encode(): "\U0001f600.md",
}
LONG = "/".join(["d" * 200] * 3) + "/deep.md"


@pytest.fixture
def api(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr("cli.commands.ingest.user_state_path", lambda *_, **__: tmp_path / "state")
    with serving(settings_of(valkey, tmp_path / "home")) as service:
        monkeypatch.setattr("cli.client.client.connect", lambda *_: Client(service.url))
        yield service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    for name in (*map(os.fsdecode, NAMES), LONG):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(f"# {name!a}")
    (made / "guides" / "up").symlink_to("..")
    (made / "self").symlink_to("self")
    (made / "~$report.docx").write_text("Ada")
    return made


def ingest(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ingest", "--no-wait", *arguments])


def test_every_name_that_a_file_system_holds_becomes_a_document(api: Service, folder: Path) -> None:
    done = ingest(str(folder), "-o", "json")

    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    accepted = {row["document_id"] for row in rows if row["state"] == "accepted"}
    assert accepted > {*NAMES.values()}
    (long,) = accepted.difference(NAMES.values())
    assert long.endswith("/deep.md")
    left_out = {Path(row["name"]).name: row["reason"] for row in rows if row["state"] == "left out"}
    assert left_out == {
        "self": "a link that leads nowhere",
        "~$report.docx": "a lock file of an office program",
    }


@pytest.mark.parametrize("form", ["table", "jsonl", "tsv"])
def test_names_that_are_no_text_are_told_in_every_form(api: Service, folder: Path, form: str) -> None:
    done = ingest(str(folder), "-o", form)

    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert done.stdout.encode()


def test_each_document_is_reached_by_its_id(api: Service, folder: Path) -> None:
    rows = json.loads(ingest(str(folder), "-o", "json").stdout)

    with Client(api.url) as client:
        for row in (row for row in rows if row["state"] == "accepted"):
            assert client.job(row["job_id"])["subject"]["document_id"] == row["document_id"]
            api.publish(row["document_id"])
            assert client.document(row["document_id"])["document_id"] == row["document_id"]


def test_a_quoted_pattern_an_address_and_standard_input_come_together(api: Service, folder: Path) -> None:
    arguments = ["ingest", "--no-wait", f"{folder}/**/*.md", "https://example.com/a.html", "-"]
    done = CliRunner().invoke(
        app, [*arguments, "--name", "notes/a", "--type", "md", "-o", "json"], input="# A"
    )

    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    ids = {row["document_id"] for row in rows if row["state"] == "accepted"}
    assert {"guides/vpn.md", "%FF%FE.md", "notes/a"} < ids
    (link,) = (row for row in rows if row["name"] == "https://example.com/a.html")
    assert api.http.get(f"/v1/jobs/{link['job_id']}").json()["subject"]["url"] == link["name"]
