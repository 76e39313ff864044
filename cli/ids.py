"""Ids by their beginnings: the one thing that is meant, or which there are.

The listings that a key may read are looked through, so it learns of nothing that it may not see.
"""

from collections.abc import Iterable
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from rag.errors import Conflict, NotFound
from rag.printable import one_line

if TYPE_CHECKING:
    from cli.client import Client

MOST_LOOKS = 2_000
"""Of a listing: ten pages. What is older is named by its whole id."""

_MOST_DOCUMENTS = 10_000
_WHOLE_JOB_ID = 36
_SHOWN = 5


def the_one(given: str, ids: Iterable[str], what: str, most: int = MOST_LOOKS) -> str:
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
    """Newest first, and an id begins with its time: what comes behind the given one cannot begin with it."""
    if len(given) >= _WHOLE_JOB_ID:
        return given
    newest = (job["id"] for job in client.all_jobs())
    return the_one(given, takewhile(lambda each: each[: len(given)] >= given, newest), "job")


def dead_letter_id(client: "Client", given: str) -> str:
    if len(given) >= _WHOLE_JOB_ID:
        return given
    return the_one(given, (letter["id"] for letter in client.dead_letters()), "dead letter")


def backup_id(client: "Client", given: str) -> str:
    """``latest`` stands for itself."""
    if given == "latest" or len(given) >= _WHOLE_JOB_ID:
        return given
    return the_one(given, (backup["id"] for backup in client.backups()), "backup")


def key_id(client: "Client", given: str) -> str:
    return the_one(given, (key["id"] for key in client.made_keys() if key["id"]), "key")


def collection_name(client: "Client", given: str) -> str:
    return the_one(given, (each["name"] for each in client.collections()), "collection")


def document_id(client: "Client", given: str, collection: str | None) -> str:
    """One that is there by the whole of what was given goes before those that begin with it.

    A listing is in the order of ids, so what comes behind its last possible one is not read.
    """
    try:
        return str(client.document(given, collection)["document_id"])
    except NotFound:
        return the_one(given, _beginning_so(client, given, collection), "document", _MOST_DOCUMENTS)


def _beginning_so(client: "Client", given: str, collection: str | None) -> Iterable[str]:
    ids = (document["document_id"] for document in client.documents(collection))
    return takewhile(lambda each: each <= given or each.startswith(given), ids)
