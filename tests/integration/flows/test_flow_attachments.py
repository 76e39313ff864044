"""The attachments of a mail become documents of their own, which come, change and go with it."""

from collections.abc import Sequence
from email.message import EmailMessage
from io import BytesIO

import pytest

from rag.media import EML
from rag.model import Document, Job, JobKind, JobState, Json, Lease
from rag.settings import Settings
from tasks.ingest.attachments import DEEPEST, MOST
from tasks.submit.changes import Change
from tasks.submit.requests import Idempotency
from tasks.submit.submissions import Ingestion, Question, Submissions, Upload
from tests.deliveries import end_lease, finished, step
from tests.integration.flows.stages import COLLECTION, InProcess, seen

MAIL, PRICES, TERMS = "offer.eml", "offer.eml/prices.txt", "offer.eml/terms.md"
SOUND = b"OggS" + bytes(64)
File = tuple[str, bytes]


def composed(*files: File, words: str = "Our offer is attached.") -> bytes:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@example.org", "Offer"
    mail.set_content(words)
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def offer(price: int = 425) -> bytes:
    prices = ("prices.txt", f"The winch costs {price} crowns.".encode())
    return composed(prices, ("terms.md", b"# Terms\n\nDelivery takes nine weeks."), ("bell.ogg", SOUND))


def submitted(desk: Submissions, data: bytes, **more: object) -> str:
    upload = Upload(BytesIO(data), len(data), str(hash(data)), MAIL, EML)
    return desk.ingest(Ingestion(upload, COLLECTION, MAIL, **more), owner="ann").job.id  # type: ignore[arg-type]


def ingested(tools: InProcess, desk: Submissions, data: bytes, **more: object) -> Job:
    job = finished(tools, submitted(desk, data, **more))
    assert job.state is JobState.SUCCEEDED, job.error
    return job


def coming(tools: InProcess, *document_ids: str) -> list[str]:
    return [job for name in document_ids for job in tools.jobs.coming_of(COLLECTION, name)]


def finish_all(tools: InProcess, *document_ids: str) -> list[Job]:
    return [finished(tools, job) for job in coming(tools, *document_ids)]


def found(tools: InProcess, document_id: str) -> Document | None:
    return tools.documents.get(COLLECTION, document_id)


def present(tools: InProcess) -> dict[str, str]:
    """The documents there are, and what each was attached to."""
    page = tools.documents.page(COLLECTION, cursor=None, limit=99)
    return {document.document_id: document.parent for document in page.items}


def result_of(job: Job) -> Json:
    assert job.result is not None
    return job.result


def test_attachments_become_documents_under_their_mail(tools: InProcess, desk: Submissions) -> None:
    job = ingested(tools, desk, offer(), metadata={"lang": "en"})

    assert result_of(job)["attachments"] == [PRICES, TERMS]
    (unread,) = result_of(job)["warnings"]
    assert (unread["kind"], unread["count"]) == ("attachments", 1)
    assert unread["text"].startswith("not read: bell.ogg (it is ")
    assert all(each.state is JobState.SUCCEEDED for each in finish_all(tools, PRICES, TERMS))
    assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}
    prices = found(tools, PRICES)
    assert prices is not None
    assert (prices.title, prices.media_type, prices.owner) == ("prices", "text/plain", "ann")
    assert prices.metadata == {"lang": "en"}
    assert "The winch costs 425 crowns." in seen(tools, "What does the winch cost?")


def test_a_question_is_told_from_which_mail_its_sources_are(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, offer())
    finish_all(tools, PRICES, TERMS)

    question = Question("What does the winch cost?", COLLECTION, top_k=10, top_n=9, where={}, generate=False)
    hits = result_of(finished(tools, desk.ask(question).job.id))["hits"]

    assert {(hit["document_id"], hit["parent"]) for hit in hits} >= {(PRICES, MAIL), (MAIL, None)}


def test_a_deleted_mail_takes_its_attachments_with_it_at_once(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, offer())
    finish_all(tools, PRICES, TERMS)

    purges = [desk.delete_document(COLLECTION, MAIL).id]

    assert present(tools) == {}
    assert seen(tools, "What does the winch cost?") == []
    deletions = tools.jobs.page(kinds=[JobKind.DELETE], collections=None, cursor=None, limit=99).items
    purges += [job.id for job in deletions]
    assert len({*purges}) == 3
    for purge in purges:
        assert finished(tools, purge).state is JobState.SUCCEEDED
    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("sources/")) == list(tools.blobs.keys("texts/")) == []


def test_the_purge_of_a_mail_deletes_attachments_whose_caller_died(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, offer())
    finish_all(tools, PRICES, TERMS)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.submit.submissions.remove_attachments", lambda *_, **__: [])
        purge = desk.delete_document(COLLECTION, MAIL).id
    assert present(tools) == {PRICES: MAIL, TERMS: MAIL}

    finished(tools, purge)

    assert present(tools) == {}


def test_a_replaced_mail_replaces_its_attachments_and_drops_those_that_it_lacks(
    tools: InProcess, desk: Submissions
) -> None:
    ingested(tools, desk, offer())
    finish_all(tools, PRICES, TERMS)

    ingested(tools, desk, composed(("prices.txt", b"The winch costs 310 crowns.")))
    finish_all(tools, PRICES, TERMS)

    assert present(tools) == {MAIL: "", PRICES: MAIL}
    texts = seen(tools, "What does the winch cost?")
    assert "The winch costs 310 crowns." in texts
    assert "The winch costs 425 crowns." not in texts


@pytest.mark.parametrize("replaced", [False, True])
def test_an_attachment_that_comes_after_its_mail_went_is_not_published(
    tools: InProcess, desk: Submissions, *, replaced: bool
) -> None:
    ingested(tools, desk, offer())
    late = coming(tools, PRICES)
    step(tools, late[0])
    if replaced:
        ingested(tools, desk, offer(price=310))
    else:
        desk.delete_document(COLLECTION, MAIL)

    job = finished(tools, late[0])

    assert (job.state, result_of(job)["superseded"]) == (JobState.SUCCEEDED, True)
    assert found(tools, PRICES) is None
    finish_all(tools, PRICES)
    assert ("The winch costs 310 crowns." in seen(tools, "What does the winch cost?")) is replaced


def test_an_attachment_whose_mail_goes_as_it_is_published_is_taken_back(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, offer())
    publish = type(tools.documents).publish

    def publish_late(registry: object, document: Document, layouts: Sequence[int], *, under: Lease) -> bool:
        tools.documents.delete(COLLECTION, MAIL)  # by somebody who looks for its attachments before it is one
        return publish(tools.documents, document, layouts, under=under)

    monkeypatch.setattr(type(tools.documents), "publish", publish_late)
    (job,) = finish_all(tools, PRICES)

    assert result_of(job)["superseded"] is True
    assert present(tools) == {}


def test_attachments_are_handed_in_once_however_often_their_mail_is_finished(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submitted(desk, offer())
    step(tools, job_id)
    step(tools, job_id)
    attach = Submissions.attach

    def attach_one(self: Submissions, *args: object, **more: object) -> object:
        if coming(tools, PRICES):
            raise KeyboardInterrupt
        return attach(self, *args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Submissions, "attach", attach_one)
        with pytest.raises(KeyboardInterrupt):
            step(tools, job_id)
    first = coming(tools, PRICES)
    assert (len(first), coming(tools, TERMS), list(present(tools))) == (1, [], [MAIL])

    end_lease(tools, job_id)
    assert result_of(finished(tools, job_id))["attachments"] == [PRICES, TERMS]

    assert coming(tools, PRICES) == first
    finish_all(tools, PRICES, TERMS)
    assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}


def test_a_change_of_the_mail_keeps_its_attachments(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, offer())
    finish_all(tools, PRICES, TERMS)
    mail = found(tools, MAIL)
    assert mail is not None

    finished(tools, desk.changes.change(mail, Change("New title", {})).job.id)

    changed = found(tools, MAIL)
    assert changed is not None
    assert (changed.version, changed.attachments) == (2, (PRICES, TERMS))
    assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}


def test_a_change_of_the_mails_metadata_reaches_its_attachments(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, offer(), metadata={"team": "north", "year": 2025})
    finish_all(tools, PRICES, TERMS)
    prices, mail = found(tools, PRICES), found(tools, MAIL)
    assert prices is not None
    assert mail is not None
    own = Change("Price list", {"team": "north", "year": 2025, "lang": "en"})
    finished(tools, desk.changes.change(prices, own).job.id)

    job = finished(tools, desk.changes.change(mail, Change(None, {"team": "south"})).job.id)
    assert all(each.state is JobState.SUCCEEDED for each in (job, *finish_all(tools, PRICES, TERMS)))

    changed = {name: found(tools, name) for name in (MAIL, PRICES, TERMS)}
    assert {name: each.metadata for name, each in changed.items() if each} == {
        MAIL: {"team": "south"},
        PRICES: {"team": "south", "lang": "en"},
        TERMS: {"team": "south"},
    }
    assert [each.given_title for each in changed.values() if each] == ["", "Price list", ""]
    assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}


def test_a_change_of_the_mail_before_its_attachments_are_read_reaches_them(
    tools: InProcess, desk: Submissions
) -> None:
    ingested(tools, desk, offer(), metadata={"team": "north"})
    mail = found(tools, MAIL)
    assert mail is not None

    finished(tools, desk.changes.change(mail, Change(None, {"team": "south"})).job.id)
    finish_all(tools, PRICES, TERMS)

    prices = found(tools, PRICES)
    assert prices is not None
    assert prices.metadata == {"team": "south"}


def test_what_only_a_version_had_that_came_and_went_in_between_is_removed(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, composed(words="The first offer."))
    second = submitted(desk, offer())
    third = submitted(desk, composed(words="The last offer."))
    publish = type(tools.documents).publish
    passed: list[int] = []

    def publish_after_another(
        registry: object, document: Document, layouts: Sequence[int], *, under: Lease
    ) -> bool:
        if document.version == 3 and not passed:
            passed.append(document.version)
            finished(tools, second)  # after the third one looked what it replaces
            finish_all(tools, PRICES, TERMS)
            assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}
        return publish(tools.documents, document, layouts, under=under)

    monkeypatch.setattr(type(tools.documents), "publish", publish_after_another)
    finished(tools, third)

    assert passed == [3]
    assert present(tools) == {MAIL: ""}


def test_a_job_that_dies_before_it_removes_attachments_does_it_when_it_goes_on(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, offer())
    finish_all(tools, PRICES, TERMS)
    job_id = submitted(desk, composed(("prices.txt", b"The winch costs 310 crowns.")))
    step(tools, job_id)
    step(tools, job_id)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tasks.ingest.attachments.remove_attachments", die)
        with pytest.raises(KeyboardInterrupt):
            step(tools, job_id)
    assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}

    end_lease(tools, job_id)
    finished(tools, job_id)
    finish_all(tools, PRICES)

    assert present(tools) == {MAIL: "", PRICES: MAIL}
    assert "The winch costs 310 crowns." in seen(tools, "What does the winch cost?")


def test_a_changed_attachment_stays_one_of_its_mail(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, offer())
    finish_all(tools, PRICES, TERMS)
    prices = found(tools, PRICES)
    assert prices is not None

    finished(tools, desk.changes.change(prices, Change("Price list", {})).job.id)

    assert present(tools)[PRICES] == MAIL
    desk.delete_document(COLLECTION, MAIL)
    assert present(tools) == {}


def test_mails_within_mails_are_read_to_a_depth(tools: InProcess, desk: Submissions) -> None:
    data = composed(("deep.txt", b"The innermost words."))
    for level in range(DEEPEST + 1):
        data = composed((f"m{level}.eml", data))

    names, deepest = [MAIL], ingested(tools, desk, data)
    while "attachments" in result_of(deepest):
        names += result_of(deepest)["attachments"]
        (deepest,) = finish_all(tools, names[-1])

    assert len(names) == DEEPEST + 1
    assert "within one another" in result_of(deepest)["warnings"][0]["text"]
    desk.delete_document(COLLECTION, MAIL)
    assert present(tools) == {}


def test_files_of_one_name_are_documents_of_their_own(tools: InProcess, desk: Submissions) -> None:
    two = (("a.txt", b"The first."), ("a.txt", b"The second."), ("a.txt", b"The second."))

    ids = result_of(ingested(tools, desk, composed(*two)))["attachments"]

    assert ids[0] == f"{MAIL}/a.txt"
    assert ids[1].startswith(f"{MAIL}/a~")
    assert len(ids) == 2


def test_a_document_that_has_an_attachments_id_already_is_left_alone(
    tools: InProcess, desk: Submissions
) -> None:
    data = b"Mine."
    mine = Ingestion(Upload(BytesIO(data), 5, "mine", "prices.txt", "text/plain"), COLLECTION, PRICES)
    finished(tools, desk.ingest(mine).job.id)

    ids = result_of(ingested(tools, desk, offer()))["attachments"]
    finish_all(tools, *ids)
    desk.delete_document(COLLECTION, MAIL)

    assert PRICES not in ids
    assert present(tools) == {PRICES: ""}


def test_attachments_need_no_room_among_the_open_jobs(tools: InProcess) -> None:
    few = Settings.model_validate({**tools.settings.model_dump(), "max_open_ingests": 1})
    desk = Submissions(few, tools.jobs, tools.documents, tools.blobs, publish=lambda _: None)

    for number in range(3):
        once = Idempotency(f"attachment:{number}", "")
        tools.documents.put_collection(COLLECTION, few.embedding_name, few.dimension)
        tools.blobs.put("work/a", b"words")
        inputs: Json = {"document_id": f"d{number}", "generation": 1, "title": None, "metadata": {}}
        assert desk.attach(COLLECTION, inputs, "work/a", once, owner="ann").new


def test_of_more_attachments_than_are_read_the_first_is_named(tools: InProcess, desk: Submissions) -> None:
    files = [(f"{number}.txt", b"words") for number in range(MOST + 5)]

    told = result_of(ingested(tools, desk, composed(*files)))

    assert len(told["attachments"]) == MOST
    assert [each["text"] for each in told["warnings"]] == [
        f"not read: {MOST}.txt (only {MOST} attachments are read)"
    ]
