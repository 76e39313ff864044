"""Documents that were attached to a mail are wanted as long as their mail is there and lists them."""

from collections.abc import Iterator

from rag.model import Job, Removal
from rag.ports import DocumentRegistry, JobStore
from tasks.documents.purge_jobs import assign_purge_job

_PAGE = 100


def is_listed(
    documents: DocumentRegistry,
    collection: str,
    mail_id: str,
    document_id: str,
    came_with: str | None = None,
) -> bool:
    """Whether searches see the mail, and it lists the document among its attachments.

    ``came_with``: the fingerprint of the mail that the attachment came with; None: of whichever.
    """
    mail = documents.get(collection, mail_id)
    if mail is None or document_id not in mail.attachments:
        return False
    return came_with in (None, mail.fingerprint)


def attached_to(documents: DocumentRegistry, collection: str, mail_id: str) -> Iterator[str]:
    """The ids below the mail's, which its attachments have unless their id became too long."""
    below = f"{mail_id}/"
    cursor: str | None = below
    while cursor is not None:
        page = documents.page(collection, cursor=cursor, limit=_PAGE)
        found = [each.document_id for each in page.items if each.document_id.startswith(below)]
        yield from found
        cursor = page.next if len(found) == len(page.items) else None


def remove_attachments(
    jobs: JobStore, documents: DocumentRegistry, removal: Removal, *, owner: str = ""
) -> Iterator[Job]:
    """Hide the documents that were attached to what was removed, and what was attached to these.

    Yields the recorded jobs that purge them, which are to be sent. A document that its mail, of the same id
    but another version, lists again stays; so may one that is no attachment of it. It may be done again.
    """
    if removal.document_id is None:
        return
    for document_id in removal.attachments:
        # The document is read before its mail: what a later mail brings is of a later version.
        child = documents.get(removal.collection, document_id)
        if child is None or child.parent != removal.document_id:
            continue
        if is_listed(documents, removal.collection, removal.document_id, document_id):
            continue
        gone = documents.delete(removal.collection, document_id, up_to=child.version)
        if gone is not None:
            yield assign_purge_job(jobs, documents, gone, owner=owner).job
            yield from remove_attachments(jobs, documents, gone, owner=owner)
