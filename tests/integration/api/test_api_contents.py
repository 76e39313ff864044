"""What is behind a document's id, and its change, over HTTP."""

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from api.schemas.paging import encode_cursor
from rag.model import Chunk, Document
from rag.naming import chunks_key, point_id
from rag.text.places import pack_places, places_of
from tests.integration.apiserver import Service, serving, settings_of

COLLECTION = "aegis_docs_v2"
DATA = bytes(range(256)) * 20
TEXT = "Erste Wörter.\n\nZweite 水 Wörter.\n\nDritte."


@pytest.fixture(scope="module")
def running(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(settings_of(valkey_server, tmp_path_factory.mktemp("home"))) as service:
        yield service


@pytest.fixture
def api(running: Service, valkey: str) -> Service:
    """The running server over an empty database."""
    return running


def publish(
    api: Service, document_id: str = "d", data: bytes = DATA, media_type: str = "application/pdf"
) -> Document:
    """Make a document visible that was sent as ``data`` and says TEXT."""
    made, _ = api.parts.documents.put_collection(COLLECTION, "all-MiniLM-L6-v2", 384)
    version = api.parts.documents.next_version(COLLECTION, document_id)
    name = f"{COLLECTION}-{made.generation}/{quote(document_id, safe='')}-{version}"
    cuts = [(0, 13), (15, 31), (33, 40)]
    chunks = [Chunk(i, TEXT[a:b], a, b, 4, i + 1, ("Kopf",)) for i, (a, b) in enumerate(cuts)]
    ids = [point_id(COLLECTION, document_id, version, chunk.index) for chunk in chunks]
    document = Document(
        document_id, COLLECTION, made.generation, version, "f", "Title", media_type, f"sources/{name}",
        f"texts/{name}", len(chunks), 12, 1_700_000_000.0, 1_700_000_000.0,
        {"lang": "de", "deep": {"a": 1, "b": 2}},
    )  # fmt: skip
    api.parts.blobs.put(document.source_key, data)
    api.parts.blobs.put(document.text_key, TEXT.encode())
    api.parts.blobs.put(chunks_key(document.text_key), pack_places(places_of(TEXT, chunks, ids)))
    assert api.parts.documents.publish(document)
    return document


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:aegis:problem:")


# --- the original


def test_a_document_comes_back_as_it_was_sent(api):
    publish(api)

    answer = api.http.get("/v1/documents/d/content")

    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["accept-ranges"] == "bytes"


def test_one_of_many_pieces_comes_whole(api):
    data = DATA * 1000
    publish(api, data=data)

    assert api.http.get("/v1/documents/d/content").content == data
    part = api.http.get("/v1/documents/d/content", headers={"Range": "bytes=1000000-4200000"})
    assert part.content == data[1_000_000:4_200_001]


@pytest.mark.parametrize("media_type", ["text/html", "application/xhtml+xml", "image/svg+xml", "text/plain"])
def test_no_browser_shows_it_as_a_page_of_ours(api, media_type):
    publish(api, data=b"<svg onload=alert(1)>", media_type=media_type)

    headers = api.http.get("/v1/documents/d/content").headers

    assert headers["content-type"] == media_type
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("document_id", "media_type", "name"),
    [
        ("guides/vpn.pdf", "application/pdf", "vpn.pdf"),
        ("Ärger \"1\".md", "text/markdown", "%C3%84rger%20%221%22.md"),
        ("46471b37", "text/plain", "46471b37.txt"),
        ("x.html", "application/pdf", "x.html.pdf"),
        ("/", "application/pdf", "document.pdf"),
    ],
)  # fmt: skip
def test_it_is_kept_under_its_name(api, document_id, media_type, name):
    publish(api, document_id, media_type=media_type)

    answer = api.http.get(f"/v1/documents/{quote(document_id, safe='')}/content")

    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=0-9", 0, 9), ("bytes=5000-", 5000, 5119), ("bytes=-20", 5100, 5119)]
)
def test_a_range_comes_alone(api, asked, first, last):
    publish(api)

    answer = api.http.get("/v1/documents/d/content", headers={"Range": asked})

    assert answer.status_code == 206
    assert answer.content == DATA[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert answer.headers["content-length"] == str(last - first + 1)


def test_no_byte_that_is_there(api):
    publish(api)

    answer = api.http.get("/v1/documents/d/content", headers={"Range": f"bytes={len(DATA)}-"})

    assert code_of(answer) == (416, "range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}"


def test_several_ranges_get_all(api):
    publish(api)

    answer = api.http.get("/v1/documents/d/content", headers={"Range": "bytes=0-1,5-6"})

    assert (answer.status_code, answer.content) == (200, DATA)


def test_a_copy_that_is_right_is_not_sent_again(api):
    publish(api)
    path = "/v1/documents/d/content"
    tag = api.http.get(path).headers["etag"]

    for known in (tag, f"W/{tag}", f'"x", {tag}'):
        same = api.http.get(path, headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    publish(api, data=b"another")
    other = api.http.get(path, headers={"If-None-Match": tag})
    assert (other.status_code, other.content) == (200, b"another")
    part = api.http.get(path, headers={"If-Range": tag, "Range": "bytes=0-1"})
    assert (part.status_code, part.content) == (200, b"another")
    again = api.http.get(path, headers={"If-Range": other.headers["etag"], "Range": "bytes=0-1"})
    assert (again.status_code, again.content) == (206, b"an")


def test_a_look_at_the_head_tells_the_same_without_the_bytes(api):
    publish(api)
    whole, head = (api.http.request(method, "/v1/documents/d/content") for method in ("GET", "HEAD"))

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "content-disposition", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]
    assert api.http.head("/v1/documents/nope/content").status_code == 404


def test_an_empty_part_of_the_path_is_part_of_the_id_where_its_slash_is_encoded(api):
    for word in ("content", "chunks"):
        publish(api, f"x/{word}")
        shown = api.http.get(f"/v1/documents/x%2F{word}")
        assert shown.json()["document_id"] == f"x/{word}"
        assert api.http.get(f"/v1/documents/x%2F{word}/{word}").status_code == 200
        assert code_of(api.http.get(f"/v1/documents/x/{word}")) == (404, "not-found")


# --- the passages


def test_the_passages_come_in_order_with_their_places(api):
    document = publish(api)

    page = api.http.get("/v1/documents/d/chunks").json()

    assert page["next"] is None
    assert [item["text"] for item in page["items"]] == ["Erste Wörter.", "Zweite 水 Wörter.", "Dritte."]
    assert page["items"][1] == {
        "index": 1,
        "chunk_id": point_id(COLLECTION, "d", document.version, 1),
        "start": 15,
        "end": 31,
        "page": 2,
        "headings": ["Kopf"],
        "tokens": 4,
        "text": "Zweite 水 Wörter.",
    }
    for item in page["items"]:
        span = {"start": item["start"], "end": item["end"]}
        assert api.http.get("/v1/documents/d/text", params=span).text == item["text"]


def test_they_come_by_pages(api):
    publish(api)
    seen, cursor = [], None
    for _ in range(3):
        params = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = api.http.get("/v1/documents/d/chunks", params=params).json()
        seen += [item["index"] for item in page["items"]]
        cursor = page["next"]

    assert (seen, cursor) == ([0, 1, 2], None)
    for garbage in (
        "x",
        "99",
        *(encode_cursor(each, "/v1/documents/d/chunks") for each in ("-1", "²", "d", "9.1")),
    ):
        answer = api.http.get("/v1/documents/d/chunks", params={"cursor": garbage})
        assert answer.status_code == 400, garbage


def test_a_cursor_is_good_for_its_list_and_version_alone(api):
    publish(api)
    publish(api, "e")
    cursor = {"cursor": api.http.get("/v1/documents/d/chunks?limit=1").json()["next"]}

    for path in ("/v1/documents", "/v1/jobs", "/v1/collections", "/v1/documents/e/chunks"):
        assert code_of(api.http.get(path, params=cursor)) == (400, "invalid-cursor"), path
    assert api.http.get("/v1/documents/d/chunks", params=cursor).status_code == 200
    publish(api)
    answer = api.http.get("/v1/documents/d/chunks", params=cursor)
    assert code_of(answer) == (400, "invalid-cursor")
    assert "was replaced" in answer.json()["detail"]


@pytest.mark.parametrize("part", ["content", "text", "chunks"])
def test_a_document_that_is_replaced_while_it_is_read_is_read_anew(api, monkeypatch, part):
    earlier = publish(api)
    publish(api)
    for key in (earlier.source_key, earlier.text_key, chunks_key(earlier.text_key)):
        api.parts.blobs.delete(key)
    looks, get = iter([earlier]), api.parts.documents.get
    monkeypatch.setattr(api.parts.documents, "get", lambda *asked: next(looks, None) or get(*asked))

    assert api.http.get(f"/v1/documents/d/{part}").status_code == 200


def test_one_passage_is_found_by_what_citations_call_it(api):
    publish(api)
    (_, wanted, _) = api.http.get("/v1/documents/d/chunks").json()["items"]

    found = api.http.get("/v1/documents/d/chunks", params={"chunk_id": wanted["chunk_id"]}).json()

    assert found == {"items": [wanted], "next": None}
    publish(api)
    later = api.http.get("/v1/documents/d/chunks", params={"chunk_id": wanted["chunk_id"]})
    assert code_of(later) == (404, "not-found")


def test_a_document_whose_places_were_never_noted_says_what_to_do(api):
    document = publish(api)
    api.parts.blobs.delete(chunks_key(document.text_key))

    answer = api.http.get("/v1/documents/d/chunks")

    assert code_of(answer) == (404, "not-found")
    assert "send it again" in answer.json()["detail"]


# --- changes


def inputs_of(api: Service, answer: httpx.Response) -> dict:
    assert answer.status_code == 202, answer.text
    job = api.parts.jobs.get(answer.json()["job_id"])
    assert job is not None
    return job.inputs


def test_a_change_is_a_job_that_brings_the_kept_bytes(api):
    document = publish(api)

    answer = api.http.patch("/v1/documents/d", json={"title": "New", "metadata": {"year": 2026}})

    inputs = inputs_of(api, answer)
    assert answer.json()["document_id"] == "d"
    assert (inputs["title"], inputs["revises"]) == ("New", document.version)
    assert inputs["version"] == document.version + 1
    assert api.parts.blobs.get(inputs["source_key"]) == DATA
    assert inputs["source_key"] != document.source_key
    assert api.http.get("/v1/documents/d").json()["title"] == "Title"


def test_metadata_is_merged(api):
    publish(api)
    patch = {"metadata": {"lang": None, "deep": {"a": None, "c": [1, None]}, "new": True}}

    inputs = inputs_of(api, api.http.patch("/v1/documents/d", json=patch))

    assert inputs["metadata"] == {"deep": {"b": 2, "c": [1, None]}, "new": True}
    assert inputs["title"] is None


@pytest.mark.parametrize(
    "body",
    [{}, {"title": ""}, {"title": None}, {"metadata": []}, {"text": "x"}, {"metadata": {"a": "x" * 20_000}},
     [], {"metadata": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}}],
)  # fmt: skip
def test_what_is_no_change_is_refused(api, body):
    publish(api)

    assert code_of(api.http.patch("/v1/documents/d", json=body)) == (422, "invalid-request")
    assert list(api.parts.blobs.keys(f"sources/{COLLECTION}-1"))


def test_a_document_that_is_not_there_cannot_be_changed(api):
    assert code_of(api.http.patch("/v1/documents/d", json={"title": "T"})) == (404, "not-found")


def test_while_another_version_is_on_its_way_a_change_has_to_wait(api):
    publish(api)
    coming = api.http.post("/v1/documents", json={"text": "x", "document_id": "d"}).json()["job_id"]

    refused = api.http.patch("/v1/documents/d", json={"title": "T"})
    api.http.delete(f"/v1/jobs/{coming}")

    assert code_of(refused) == (409, "conflict")
    assert coming in refused.json()["detail"]
    assert api.http.patch("/v1/documents/d", json={"title": "T"}).status_code == 202
    assert code_of(api.http.patch("/v1/documents/d", json={"title": "U"})) == (409, "conflict")


def test_a_change_that_is_sent_twice_is_made_once(api):
    publish(api)
    key = {"Idempotency-Key": "k"}
    first, again = (api.http.patch("/v1/documents/d", json={"title": "T"}, headers=key) for _ in range(2))

    assert first.json()["job_id"] == again.json()["job_id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = api.http.patch("/v1/documents/d", json={"title": "U"}, headers=key)
    assert code_of(other) == (422, "idempotency-mismatch")
    api.http.delete("/v1/documents/d").raise_for_status()
    late = api.http.patch("/v1/documents/d", json={"title": "T"}, headers=key)
    assert late.json()["job_id"] == first.json()["job_id"]


def test_no_title_is_none(api):
    publish(api)

    for body in ({"title": None}, {"title": None, "metadata": {"a": 1}}):
        refused = api.http.patch("/v1/documents/d", json=body)
        assert code_of(refused) == (422, "invalid-request")
        assert "leave it out to keep it" in refused.text


def test_whatever_there_is_has_not_changed(api):
    publish(api)

    assert api.http.get("/v1/documents/d/content", headers={"If-None-Match": "*"}).status_code == 304
