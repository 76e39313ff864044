"""Ids by their beginnings."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from cli.client.client import Client
from cli.commands import ids
from rag.errors import Conflict, NotFound
from rag.web.jsontypes import Json

WHOLE = "01990a6f-3c1f-7b1e-9a44-1d2f5a0c7e11"
JOBS = [WHOLE, "01990a6f-3c1e-7b1e-9a44-1d2f5a0c7e11", "01980000-0000-7b1e-9a44-1d2f5a0c7e11"]
"""Newest first, as the API lists them."""


class Api(Client):
    def __init__(self) -> None:
        self.read: list[str] = []

    def _told(self, field: str, names: list[str]) -> Iterator[Json]:
        for name in names:
            self.read.append(name)
            yield {field: name}

    def all_jobs(self, **_: object) -> Iterator[Json]:
        return self._told("id", JOBS)

    def documents(self, collection: str | None = None) -> Iterator[Json]:
        return self._told("document_id", ["a.md", "guides", "guides/vpn.md", "guides/wifi.md", "z.md"])

    def document(self, document_id: str, collection: str | None = None) -> Json:
        if document_id not in ("a.md", "guides"):
            raise NotFound
        return {"document_id": document_id}

    def collections(self) -> Iterator[Json]:
        return self._told("name", ["handbook", "handbook-old", "notes"])


@pytest.fixture
def api() -> Api:
    return Api()


def test_a_whole_id_costs_no_listing(api: Api) -> None:
    assert ids.job_id(api, WHOLE) == WHOLE
    assert ids.document_id(api, "guides", None) == "guides"
    assert api.read == []


def test_the_beginning_of_one_alone_is_that_one(api: Api) -> None:
    assert ids.job_id(api, "01990a6f-3c1e") == JOBS[1]
    assert ids.document_id(api, "guides/v", None) == "guides/vpn.md"
    assert ids.collection_name(api, "no") == "notes"


def test_what_cannot_come_any_more_is_not_read(api: Api) -> None:
    ids.job_id(api, "01990a6f-3c1f")
    assert api.read == JOBS[:2]
    api.read.clear()
    ids.document_id(api, "guides/v", None)
    assert "z.md" not in api.read


def test_a_name_goes_before_those_that_begin_with_it(api: Api) -> None:
    assert ids.collection_name(api, "handbook") == "handbook"


@pytest.mark.parametrize(
    ("resolve", "given", "among"),
    [(ids.job_id, "01990a6f", JOBS[:2]), (ids.collection_name, "hand", ["handbook", "handbook-old"])],
)
def test_several_are_named(
    api: Api, resolve: Callable[[Client, str], str], given: str, among: list[str]
) -> None:
    with pytest.raises(Conflict) as refused:
        resolve(api, given)

    assert all(each in str(refused.value) for each in among)


@pytest.mark.parametrize("given", ["02", "01", "", "x\x1b[31m"])
def test_what_is_not_there_is_said_in_a_line(api: Api, given: str) -> None:
    with pytest.raises((NotFound, Conflict)) as refused:
        ids.job_id(api, given)

    assert "\x1b" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_listing_is_read_only_so_far() -> None:
    read = count()

    with pytest.raises(NotFound):
        ids.find_id("x", (str(next(read)) for _ in count()), "job")

    assert next(read) <= ids.MOST_LOOKS + 1
