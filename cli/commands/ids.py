"""Finds whole ids by their beginnings.

It looks through the listings that the API key may read, so the user learns of nothing else.
"""

from collections.abc import Iterable
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from rag.errors import Conflict, NotFound
from rag.system.printable import one_line

if TYPE_CHECKING:
    from cli.client.client import Client

MOST_LOOKS = 2_000
"""Rows of a listing that are looked at. Older things must be named by their whole id."""

_MOST_DOCUMENTS = 10_000
_WHOLE_JOB_ID = 36
_SHOWN = 5


def find_id(given: str, ids: Iterable[str], what: str, most: int = MOST_LOOKS) -> str:
    """The id that ``given`` is or begins. NotFound for none, Conflict for several."""
    found = []
    for each in islice(ids, most):
        if each == given:
            return each
        if given and each.startswith(given):
            found.append(each)
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"there is no {what} {one_line(given)!r}, and none of the listed ones begins with it")
    there = ", ".join(found[:_SHOWN]) + (" …" if len(found) > _SHOWN else "")
    raise Conflict(f"{one_line(given)!r} begins several: {one_line(there)}. Give more of the one")


def job_id(client: "Client", given: str) -> str:
    """The whole id of a job."""
    if len(given) >= _WHOLE_JOB_ID:
        return given
    # The newest come first, and an id begins with its time: older ids than ``given`` cannot begin with it.
    newest = (job["id"] for job in client.all_jobs())
    return find_id(given, takewhile(lambda each: each[: len(given)] >= given, newest), "job")


def dead_letter_id(client: "Client", given: str) -> str:
    if len(given) >= _WHOLE_JOB_ID:
        return given
    return find_id(given, (letter["id"] for letter in client.dead_letters()), "dead letter")


def backup_id(client: "Client", given: str) -> str:
    """``latest`` is an id too."""
    if given == "latest" or len(given) >= _WHOLE_JOB_ID:
        return given
    return find_id(given, (backup["id"] for backup in client.backups()), "backup")


def key_id(client: "Client", given: str) -> str:
    return find_id(given, (key["id"] for key in client.made_keys() if key["id"]), "key")


def collection_name(client: "Client", given: str) -> str:
    return find_id(given, (each["name"] for each in client.collections()), "collection")


def document_id(client: "Client", given: str, collection: str | None) -> str:
    """An id that equals ``given`` comes before those that begin with it."""
    try:
        return str(client.document(given, collection)["document_id"])
    except NotFound:
        ids = (document["document_id"] for document in client.documents(collection))
        # The listing is in the order of ids: what comes after the last possible one is not read.
        possible = takewhile(lambda each: each <= given or each.startswith(given), ids)
        return find_id(given, possible, "document", _MOST_DOCUMENTS)
