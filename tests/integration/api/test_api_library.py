"""Documents and collections over HTTP."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.integration.apiserver import Service, serving, settings_of


@pytest.fixture(scope="module")
def running(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(settings_of(valkey_server, tmp_path_factory.mktemp("home"))) as service:
        yield service


@pytest.fixture
def api(running: Service, valkey: str) -> Service:
    """The running server over an empty database."""
    return running


def code_of(answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:aegis:problem:")


@pytest.mark.parametrize(
    "document_id", ["a", "guides/vpn.md", "/abs", "ünï code?#%", "x/text", "text", "a//b"]
)
def test_a_document_by_its_id(api, document_id):
    api.publish(document_id)
    path = f"/v1/documents/{quote(document_id, safe='')}"

    answer = api.http.get(path)

    assert answer.status_code == 200
    document = answer.json()
    assert document["document_id"] == document_id
    assert (document["title"], document["version"], document["chunks"]) == ("Title", 1, 2)
    assert document["metadata"] == {"lang": "en"}
    assert document["created_at"] == "2023-11-14T22:13:20Z"
    assert api.http.get(f"{path}/text").text == "Text"
    assert api.http.delete(path).status_code == 202
    assert code_of(api.http.get(path)) == (404, "not-found")


def test_slashes_of_an_id_need_no_encoding(api):
    api.publish("guides/vpn.md")

    assert api.http.get("/v1/documents/guides/vpn.md").json()["document_id"] == "guides/vpn.md"
    assert api.http.get("/v1/documents/guides/vpn.md/text").text == "Text"


def test_the_text_is_cut_at_characters(api):
    api.publish("d", "aé😀\nb")
    text = api.http.get("/v1/documents/d/text", params={"start": 1, "end": 3})

    assert text.text == "é😀"
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert api.http.get("/v1/documents/d/text", params={"start": 99}).text == ""
    assert code_of(api.http.get("/v1/documents/d/text", params={"start": -1})) == (422, "invalid-request")


def test_listing_documents(api):
    for name in ("b", "a", "c"):
        api.publish(name)
    api.publish("z", collection="other")

    first = api.http.get("/v1/documents", params={"limit": 2}).json()
    rest = api.http.get("/v1/documents", params={"limit": 2, "cursor": first["next"]}).json()

    assert [d["document_id"] for d in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next"] is None
    assert len(api.http.get("/v1/documents?collection=other").json()["items"]) == 1
    assert code_of(api.http.get("/v1/documents?collection=nowhere")) == (404, "unknown-collection")


def test_deleting_a_document_hides_it_and_starts_a_job(api):
    api.publish("d")

    answer = api.http.delete("/v1/documents/d")

    assert answer.status_code == 202
    assert answer.json()["document_id"] == "d"
    assert api.http.get("/v1/documents").json()["items"] == []
    job = api.http.get(answer.headers["location"]).json()
    assert (job["kind"], job["stage"]) == ("delete", "purge")
    assert code_of(api.http.delete("/v1/documents/d")) == (404, "not-found")


@pytest.mark.parametrize(
    "path", ["/v1/documents/" + "x" * 257, "/v1/documents/a%09b", "/v1/documents?collection=-"]
)
def test_names_that_cannot_be(api, path):
    assert code_of(api.http.get(path)) == (422, "invalid-request")


def test_the_life_of_a_collection(api):
    made = api.http.put("/v1/collections/handbook")
    there = api.http.put("/v1/collections/handbook")
    api.publish("d", collection="handbook")
    read = api.http.get("/v1/collections/handbook").json()
    dropped = api.http.delete("/v1/collections/handbook")

    assert (made.status_code, there.status_code) == (201, 200)
    assert made.json() == there.json()
    assert read | {"created_at": ""} == {
        "name": "handbook",
        "embedding_model": "all-MiniLM-L6-v2",
        "dimension": 384,
        "documents": 1,
        "chunks": 2,
        "created_at": "",
        "layouts": [
            {
                "number": 0,
                "embedding_model": "all-MiniLM-L6-v2",
                "dimension": 384,
                "state": "serving",
                "job_id": None,
            }
        ],
    }
    assert dropped.status_code == 202
    assert api.http.get(dropped.json()["status_url"]).json()["kind"] == "delete"
    for answer in (api.http.get("/v1/collections/handbook"), api.http.delete("/v1/collections/handbook")):
        assert answer.status_code == 404


def test_listing_collections(api):
    for name in ("b", "a"):
        api.http.put(f"/v1/collections/{name}")

    listed = api.http.get("/v1/collections").json()

    assert [c["name"] for c in listed["items"]] == ["a", "b"]
    assert listed["next"] is None


def test_a_collection_of_another_model_is_a_conflict(api):
    api.parts.documents.put_collection("old", "another-model", 8)

    assert code_of(api.http.put("/v1/collections/old")) == (409, "conflict")
    assert code_of(api.http.post("/v1/documents", json={"text": "x", "collection": "old"})) == (
        409,
        "conflict",
    )


def test_a_wrong_collection_name(api):
    assert code_of(api.http.put("/v1/collections/a%20b")) == (422, "invalid-request")
