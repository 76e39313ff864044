"""Everything but the bucket is lost, and brought back by the commands of the runbook."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from uuid import UUID

import httpx
import psutil
import pytest

from bench.library import Library
from rag.backups.digest import ContentDigest
from rag.backups.objects import Objects
from rag.backups.vault import Vault
from rag.errors import AegisError
from rag.settings import Settings
from tests.contents import Content, Hits, assert_same_hits, content_of, hits_of
from tests.s3server import environment, s3_server
from tests.system.runbook import Block, sections, steps
from tests.system.running import Stack, stack_in, until
from tests.system.service import send_text
from workers.tools import Tools

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "runbooks" / "disaster-recovery.md"
RUNBOOK = sections(DOCUMENT)
BEFORE, ALL_LOST = "What must be kept elsewhere", "All machines are lost, the bucket is left"
DAMAGED, BACK = "One collection is damaged", "A bad deploy or ingestion: back to a time"
KEY_LOST, NODE_LOST, BUCKET = "The key is lost", "A Qdrant node is lost", "The bucket is damaged"

HANDBOOK = "handbook"
KEEPER = "The keeper of the lighthouse of Marstal is Anselm Marstalson, who was elected in 1801."
UP = "aegis up\n"
QUESTIONS = 200
POINTS_A_SECOND = 50
"""That the slowest block gets through on a busy machine."""

ASKED_EVERY = 5.0
"""Seconds: no collection is ever idle, in which time the engine would build graphs, and rank by them."""

DAY_MS = 86_400_000
BACKUPS = {
    "BACKUP_URL": "s3://aegis/backups",
    "BACKUP_KEY": "the keeper of the lighthouse",
    "BACKUP_PART_MB": "8",
}


@dataclass(frozen=True)
class Found:
    """What an installation answers with."""

    content: Content
    hits: Hits
    keeper: str


class Installation:
    """A stack, its stores, and its operator's shell, which has the usual schedule; the stack keeps none."""

    def __init__(self, home: Path, library: Library, bucket: Mapping[str, str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.library = library
        self.stack: Stack = stack_in(home, **bucket, **BACKUPS)
        fields = {name.lower(): value for name, value in BACKUPS.items()}
        self.settings = Settings.model_validate({**fields, "aegis_home": home})
        self.tools = Tools(self.settings)
        path = f"{_command_in(home)}{os.pathsep}{os.environ['PATH']}"
        schedule = str(Settings.model_fields["backup_schedule"].default)
        self._over = Event()
        self._readers = Thread(target=self._ask, daemon=True)
        self._readers.start()
        self.shell = {
            **self.stack.environment, "BACKUP_SCHEDULE": schedule, "PATH": path, "COLUMNS": "240"
        }  # fmt: skip

    def follow(self, section: str, **variables: str) -> str:
        """Run the section's commands; what they print."""
        return "".join(self._run(block, variables) for block in RUNBOOK[section])

    def _run(self, block: Block, variables: Mapping[str, str]) -> str:
        if block.text != UP:
            return block.run({**self.shell, **variables}, _block_seconds(self.library.points))
        self.stack.start().until_ready()
        return ""

    def found(self) -> Found:
        questions = self.library.questions(self.settings.dimension, QUESTIONS)
        return Found(content_of(self.tools), hits_of(self.tools, HANDBOOK, questions), self.text("keeper"))

    def text(self, document_id: str) -> str:
        where = {"collection": HANDBOOK}
        return httpx.get(f"{self.stack.url}/v1/documents/{document_id}/text", params=where, timeout=60).text

    def send(self, document_id: str, text: str) -> None:
        with httpx.Client(base_url=self.stack.url, timeout=60) as client:
            job = send_text(client, text, document_id=document_id, collection=HANDBOOK)
        assert job["state"] == "succeeded", job

    def until_content(self, expected: ContentDigest) -> None:
        """Wait for what is done again after a restore."""
        until(lambda: content_of(self.tools)[HANDBOOK] == expected)

    def _ask(self) -> None:
        """As readers do all the time."""
        tools, (question,) = Tools(self.settings), self.library.questions(self.settings.dimension, 1)
        while not self._over.wait(ASKED_EVERY):
            with suppress(AegisError):  # it is not up, or the collection has just gone
                for store in tools.vectors.collections():
                    tools.vectors.search(store, question)

    def destroy(self) -> None:
        """No process of it is left, and no file."""
        self._over.set()
        self._readers.join()
        if self.stack.process is not None:
            supervisor = psutil.Process(self.stack.process.pid)
            for process in (supervisor, *supervisor.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.stack.process.wait()
        until(lambda: self.stack.processes() == [])
        shutil.rmtree(self.stack.home)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test may take as long as five blocks do."""
    module = metafunc.definition.getparent(pytest.Module)
    assert module is not None
    if module.get_closest_marker("timeout") is None:
        module.add_marker(pytest.mark.timeout(5 * _block_seconds(_points(metafunc.config))))


def _points(config: pytest.Config) -> int:
    points: int = config.getoption("recovery_points", 2_000)
    return points


def _block_seconds(points: int) -> float:
    return 80 + points / POINTS_A_SECOND


@pytest.fixture(scope="module")
def library(pytestconfig: pytest.Config) -> Library:
    return Library(HANDBOOK, _points(pytestconfig) // 10, passages=10, tokens=32)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Mapping[str, str]]:
    """What a process needs to reach it."""
    with s3_server() as server:
        address = {name: value for name, value in server.environment.items() if name != "BLOB_URL"}
        with environment(address):
            yield address


@dataclass(frozen=True)
class Recovery:
    """``told``: what the runbook's commands printed."""

    installation: Installation
    before: Found
    told: str
    seconds: float


@pytest.fixture(scope="module")
def recovery(library: Library, bucket: Mapping[str, str]) -> Iterator[Recovery]:
    """An installation that was built anew from what another one had left in the bucket."""
    with TemporaryDirectory(prefix="aegis-lost-") as home:
        lost = Installation(Path(home) / "a", library, bucket)
        try:
            before = _saved(lost)
        finally:
            lost.destroy()
        _age(lost.tools.vault)
        anew = Installation(Path(home) / "b", library, bucket)
        try:
            began = time.monotonic()
            told = anew.follow(ALL_LOST)
            yield Recovery(anew, before, told, time.monotonic() - began)
        finally:
            anew.destroy()


def _saved(installation: Installation) -> Found:
    installation.stack.start().until_ready()
    installation.library.put(installation.tools)
    installation.send("keeper", KEEPER)
    installation.follow(BEFORE)
    before = installation.found()
    installation.send("later", "This was accepted after the backup.")
    return before


def _age(vault: Vault) -> None:
    """The newest backup is of yesterday, as when machines are lost at night and replaced in the morning."""
    newest = vault.newest()
    yesterday = UUID(int=UUID(newest.id).int - (DAY_MS << 80))
    began, finished = newest.began_at - DAY_MS / 1000, newest.finished_at - DAY_MS / 1000
    vault.seal(replace(newest, id=str(yesterday), began_at=began, finished_at=finished))
    assert vault.forget(newest.id)


def test_what_was_saved_is_there_again(
    recovery: Recovery, capsys: pytest.CaptureFixture[str], library: Library
) -> None:
    found, before = recovery.installation.found(), recovery.before
    assert (found.content, found.keeper) == (before.content, before.keeper)
    assert_same_hits(found.hits, before.hits)
    assert len(recovery.before.hits) == QUESTIONS
    assert "Anselm Marstalson" in recovery.told
    assert recovery.installation.text("keeper") == KEEPER
    with capsys.disabled():
        print(f"\n{library.points} points and their questions are back after {recovery.seconds:.1f} s")  # noqa: T201


def test_a_damaged_collection(recovery: Recovery) -> None:
    installation = recovery.installation
    installation.send("diary", "Accepted after the backup.")
    before = installation.found()
    store = installation.tools.documents.collection(HANDBOOK)
    assert store is not None
    for document in installation.tools.documents.page(HANDBOOK, cursor=None, limit=50).items:
        installation.tools.vectors.delete(store.store, document.document_id)
    assert installation.found() != before

    installation.follow(DAMAGED)

    installation.until_content(before.content[HANDBOOK])
    assert_same_hits(installation.found().hits, before.hits)
    assert installation.text("diary") == "Accepted after the backup."


def test_back_to_a_time(recovery: Recovery) -> None:
    installation = recovery.installation
    installation.send("good", "This is right.")
    before, when = content_of(installation.tools), datetime.now(UTC).isoformat()
    installation.send("keeper", "This is wrong.")
    installation.send("bad", "And this is too.")

    installation.follow(BACK, WHEN=when)

    installation.until_content(before[HANDBOOK])
    assert installation.text("keeper") == KEEPER
    assert installation.text("good") == "This is right."


def test_another_key(recovery: Recovery) -> None:
    told = recovery.installation.follow(
        KEY_LOST, NEW_KEY="a key that was chosen anew", NEW_URL="s3://aegis/backups-anew"
    )

    assert "BACKUP_KEY is not the passphrase" in told


def test_a_lost_node(recovery: Recovery) -> None:
    """Here nothing is amiss; ``tests/integration/vectors/test_qdrant_node_loss.py`` has nodes to lose."""
    assert "nothing is wrong" in recovery.installation.follow(NODE_LOST)


def test_a_damaged_bucket(recovery: Recovery) -> None:
    vault, objects = recovery.installation.tools.vault, Objects.of(recovery.installation.settings)
    victim = max(vault.newest().parts)
    data = bytearray(objects.get(victim))
    data[len(data) // 2] ^= 1
    objects.put_whole(victim, bytes(data))

    told = recovery.installation.follow(BUCKET)

    assert victim in told


def test_every_command_of_the_runbook_is_run() -> None:
    assert set(RUNBOOK) == {BEFORE, ALL_LOST, DAMAGED, BACK, KEY_LOST, NODE_LOST, BUCKET}


def test_every_step_has_commands() -> None:
    found = steps(DOCUMENT, ALL_LOST)

    assert len(found) == 6
    assert [name for name, blocks in found.items() if not blocks] == []


def _command_in(home: Path) -> Path:
    """A folder with ``aegis`` in it."""
    folder = home / "bin"
    folder.mkdir()
    program = folder / "aegis"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli.main "$@"\n')
    program.chmod(0o755)
    return folder
