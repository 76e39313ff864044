"""Documents of every kind become citable; what cannot be read says why and harms nothing."""

import httpx
import pytest

from tests.documents import content, office, page, plain, scans
from tests.documents.hostile import encrypted_pdf, text_bomb
from tests.system.service import ask, finished, new_collection, send_text, upload

WATCH = "What does the night watch do when a vessel enters after dusk?"

KINDS = {
    "handbook.pdf": page.pdf,
    "handbook.docx": office.docx,
    "handbook.pptx": office.pptx,
    "handbook.xlsx": office.xlsx,
    "handbook.odt": office.odt,
    "handbook.ods": office.ods,
    "handbook.epub": office.epub,
    "handbook.html": plain.html,
    "handbook.md": plain.markdown,
    "handbook.txt": plain.text,
    "handbook.csv": plain.csv,
    "handbook.json": plain.json,
    "handbook.rtf": plain.rtf,
    "handbook.eml": plain.eml,
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_document_is_ingested_and_found_with_exact_places(
    client: httpx.Client, name: str
) -> None:
    collection = new_collection()

    job = upload(client, name, KINDS[name](), collection=collection)

    assert job["state"] == "succeeded", job["error"]
    document_id = job["result"]["document_id"]
    assert job["result"]["chunks"] >= 1
    assert job["result"]["tokens"] > 0
    hits = ask(client, WATCH, collection, generate=False)["hits"]
    assert hits
    text = client.get(f"/v1/documents/{document_id}/text", params={"collection": collection}).text
    assert all(text[hit["start"] : hit["end"]] == hit["text"] for hit in hits)


def test_a_scan_is_recognised_and_its_citation_says_so(client: httpx.Client) -> None:
    collection = new_collection()
    scan = scans.pdf_of(
        scans.page("The lamp of the pier is green. It burns from dusk to dawn.", 150), dpi=150
    )

    job = upload(client, "pier.pdf", scan, collection=collection)

    assert job["state"] == "succeeded", job["error"]
    (citation, *_) = ask(client, "Which colour has the lamp of the pier?", collection)["citations"]
    assert "The lamp of the pier is green." in citation["text"]
    assert citation["page"] == 1
    assert 0.9 < citation["recognised"]["confidence"] <= 1


def test_a_pdf_is_cited_by_sentence_with_page_and_title(client: httpx.Client) -> None:
    collection = new_collection()
    upload(client, "handbook.pdf", page.pdf(), collection=collection)

    result = ask(client, WATCH, collection)

    assert "rings the harbour bell" in result["answer"]
    citation = result["citations"][0]
    assert f"[{citation['n']}]" in result["answer"]
    assert citation["title"] == content.TITLE
    assert isinstance(citation["page"], int)
    assert "harbour bell" in citation["text"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("broken.pdf", b"%PDF-1.7 and nothing that follows", "cannot be read"),
        ("empty.txt", b" \n ", "no text"),
        ("locked.pdf", encrypted_pdf()[1], "encrypted"),
        ("bomb.docx", text_bomb()[1], "over a limit"),
        ("picture.pdf", b"GIF89a" + bytes(64), "gif"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_document_that_cannot_be_read_fails_with_a_reason(
    client: httpx.Client, name: str, data: bytes, reason: str
) -> None:
    job = upload(client, name, data, collection=new_collection())

    assert job["state"] == "failed"
    assert job["error"]["stage"] == "parse"
    assert reason in job["error"]["detail"].lower() + job["error"]["title"].lower()
    assert client.get("/health/ready").status_code == httpx.codes.OK


def test_an_unreadable_type_is_refused_at_the_door(client: httpx.Client) -> None:
    answer = client.post("/v1/documents", files={"file": ("cat.gif", b"GIF89a" + bytes(64))})

    assert answer.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_same_document_again_costs_nothing(client: httpx.Client) -> None:
    collection = new_collection()
    first = upload(client, "a.md", plain.markdown(), collection=collection)["result"]

    again = upload(client, "a.md", plain.markdown(), collection=collection)["result"]

    assert not first["unchanged"]
    assert again == {**first, "unchanged": True}


def test_a_changed_document_replaces_the_old_one(client: httpx.Client) -> None:
    collection = new_collection()
    send_text(client, "The lighthouse lamp is green.", collection=collection, document_id="lamp")

    job = send_text(client, "The lighthouse lamp is violet now.", collection=collection, document_id="lamp")

    assert job["result"]["version"] == 2
    hits = ask(client, "What colour is the lighthouse lamp?", collection, generate=False)["hits"]
    assert [hit["text"] for hit in hits] == ["The lighthouse lamp is violet now."]
    documents = client.get("/v1/documents", params={"collection": collection}).json()["items"]
    assert len(documents) == 1


def test_a_document_is_found_at_every_moment_of_its_replacement(client: httpx.Client) -> None:
    collection = new_collection()
    send_text(client, "The lighthouse lamp has colour 0.", collection=collection, document_id="lamp")
    running = [
        client.post(
            "/v1/documents",
            json={
                "text": f"The lighthouse lamp has colour {n}.",
                "collection": collection,
                "document_id": "lamp",
            },
        ).json()["job_id"]
        for n in range(1, 9)
    ]

    found = []
    while any(client.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running") for job in running):
        found.append(ask(client, "Which colour has the lamp?", collection, generate=False)["hits"])

    assert found
    assert all(len(hits) == 1 for hits in found)
    assert all(finished(client, job)["state"] == "succeeded" for job in running)
    last = ask(client, "Which colour has the lamp?", collection, generate=False)["hits"]
    assert [hit["text"] for hit in last] == ["The lighthouse lamp has colour 8."]


def test_a_deleted_document_is_hidden_when_the_call_returns(client: httpx.Client) -> None:
    collection = new_collection()
    send_text(client, "The password of the lock is swordfish.", collection=collection, document_id="secret")

    answer = client.delete("/v1/documents/secret", params={"collection": collection})

    assert answer.status_code == httpx.codes.ACCEPTED
    assert ask(client, "What is the password?", collection, generate=False)["hits"] == []
    assert client.get("/v1/documents/secret", params={"collection": collection}).status_code == 404
    assert finished(client, answer.json()["job_id"])["state"] == "succeeded"


def test_a_dropped_collection_can_be_made_again_and_is_empty(client: httpx.Client) -> None:
    collection = new_collection()
    send_text(client, "The old collection knows about walruses.", collection=collection)
    dropped = client.delete(f"/v1/collections/{collection}")
    assert dropped.status_code == httpx.codes.ACCEPTED

    send_text(client, "The new collection knows about penguins.", collection=collection)
    finished(client, dropped.json()["job_id"])

    hits = ask(client, "Which animals are known?", collection, generate=False)["hits"]
    assert [hit["text"] for hit in hits] == ["The new collection knows about penguins."]


def test_metadata_filters_what_is_found(client: httpx.Client) -> None:
    collection = new_collection()
    for year in (2019, 2024):
        send_text(
            client,
            f"Report {year}: profits rose.",
            collection=collection,
            metadata={"year": year, "unit": "x"},
        )

    hits = ask(
        client, "Did profits rise?", collection, generate=False, filter={"year": {"gte": 2020}, "unit": "x"}
    )["hits"]

    assert [hit["text"] for hit in hits] == ["Report 2024: profits rose."]
