"""A stack whose backups go to an S3 server of its own, and the account of what is in there."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from bench.library import Library
from rag.backups.objects import Objects
from rag.backups.vault import Vault
from rag.errors import AegisError
from rag.model import Collection
from rag.settings import Settings
from tests.chaos.caller import Caller
from tests.chaos.ledger import JobPage, Ledger
from tests.chaos.stack import Target, running
from tests.contents import Content, content_of
from tests.s3server import Weed, environment, weed
from workers.tools import Tools

LIBRARY = Library("chaos-volumes", documents=120, passages=10, tokens=96)
VAULT = {
    "BACKUP_URL": "s3://aegis/backups",
    "BACKUP_KEY": "the chaos of the strongroom",
    "BACKUP_PART_MB": "1",
}
SETTLE_SECONDS = 60.0
"""From a job's end until what it left must be gone."""


@dataclass
class Strongroom:
    """``ledger`` notes what the stack answers; ``target`` and ``s3`` can be hurt."""

    target: Target
    s3: Weed
    ledger: Ledger = field(default_factory=Ledger)

    @cached_property
    def settings(self) -> Settings:
        fields = {name.lower(): value for name, value in VAULT.items()}
        return Settings.model_validate({**fields, "aegis_home": self.target.home})

    @cached_property
    def tools(self) -> Tools:
        """The stores themselves, asked without the API."""
        return Tools(self.settings)

    @cached_property
    def caller(self) -> Caller:
        return Caller(self.target.url, self.ledger)

    def submitted(self, path: str, body: JobPage | None = None) -> str:
        """The job's id."""
        return str(self.caller.call("POST", path, {202}, json=body or {}).json()["job_id"])

    def done(self, path: str, body: JobPage | None = None) -> JobPage:
        """The result of a job that succeeds."""
        job = self.ended(self.submitted(path, body))
        assert job["state"] == "succeeded", job
        return dict(job["result"])

    def ended(self, job_id: str) -> JobPage:
        """The job when it is over."""
        job = self.caller.finished(job_id)
        assert job is not None, self.now(job_id)
        return job

    def now(self, job_id: str) -> JobPage:
        return dict(self.caller.call("GET", f"/v1/jobs/{job_id}", {200}).json())

    def content(self) -> Content:
        return content_of(self.tools)

    # --- faults

    def faults(self, settle: float = SETTLE_SECONDS) -> list[str]:
        """What there is that should not be, once what a job left has had its time to go."""
        deadline = time.monotonic() + settle
        while (left := list(self._stores())) and time.monotonic() < deadline:
            time.sleep(0.2)
        return [*left, *self._objects()]

    def _stores(self) -> Iterator[str]:
        serving = {layout for each in self.tools.documents.collections() for layout in _stores_of(each)}
        there = set(self.tools.vectors.collections())
        yield from (f"store {store} serves nothing" for store in sorted(there - serving))
        yield from (f"store {store} is gone" for store in sorted(serving - there))

    def _objects(self) -> Iterator[str]:
        """Every manifest can be read, all of its parts are whole, and there are no other objects."""
        vault, named = Vault.of(self.settings), {"vault"}
        for backup in vault.backups():
            named.add(f"manifests/{backup}")
            try:
                manifest = vault.manifest(backup)
                for key, part in manifest.parts.items():
                    if key not in named:
                        vault.piece(part)
                        named.add(key)
            except AegisError as error:
                yield f"backup {backup}: {error}"
        there = set(Objects.of(self.settings).keys(""))
        yield from (f"{key} is named by no backup" for key in sorted(there - named))


def _stores_of(collection: Collection) -> set[str]:
    return {collection.store_of(layout) for layout in collection.layouts}


@contextmanager
def strongroom(settings: Mapping[str, str]) -> Iterator[Strongroom]:
    """A rigged stack with a library of drawn points, until the block ends."""
    with weed() as s3:
        address = {name: value for name, value in s3.server.environment.items() if name != "BLOB_URL"}
        with environment(address), running(rigged=True, **settings, **address, **VAULT) as target:
            room = Strongroom(target, s3)
            LIBRARY.put(room.tools)
            yield room
            room.caller.close()
