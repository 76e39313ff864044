"""Batches over HTTP: what is accepted and refused, idempotency, progress, cancelling, keys, limits."""

import io
import json
import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.routes import batches as routes
from rag.jobs import DurableBatchStore
from rag.model import Json, Stage
from tests.integration.apiserver import Service, serving, settings_of

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


def lines(*bodies: Json) -> str:
    return "".join(f"{json.dumps(body)}\n" for body in bodies)


def texts(count: int, **fields: Any) -> str:
    return lines(*({"text": f"Text {n}.", "document_id": f"doc-{n}", **fields} for n in range(count)))


def sent(api: Service, body: str | bytes, status: int = 202, **more: Any) -> Json:
    headers = {**NDJSON, **more.pop("headers", {})}
    answer = api.http.post("/v1/documents:batch", content=body, headers=headers, **more)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def send_zip(api: Service, body: bytes, **more: Any) -> httpx.Response:
    return api.http.post(
        "/v1/documents:batch", content=body, headers={"Content-Type": "application/zip"}, **more
    )


def blobs(api: Service) -> set[str]:
    return set(api.parts.blobs.keys("sources"))


class TestLines:
    def test_each_document_gets_a_job_in_order(self, api: Service) -> None:
        answer = sent(api, texts(250))

        assert answer["accepted"] == 250
        assert [job["document_id"] for job in answer["jobs"]] == [f"doc-{n}" for n in range(250)]
        assert answer["refused"] == []
        last = api.http.get(f"/v1/jobs/{answer['jobs'][-1]['job_id']}").json()
        assert (last["state"], last["stage"]) == ("queued", "parse")
        assert len(blobs(api)) == 250

    def test_what_is_refused_is_told_with_its_position_and_reason(self, api: Service) -> None:
        body = lines({"text": "Good."}, {"text": ""}, {"text": "x", "url": "https://a.example/"})
        body += "{broken\n\n" + lines({"text": "Good too."}, {"text": "No.", "colour": "red"})

        answer = sent(api, body)

        assert [job is None for job in answer["jobs"]] == [False, True, True, True, False, True]
        assert [each["position"] for each in answer["refused"]] == [1, 2, 3, 5]
        assert {each["type"] for each in answer["refused"]} == {"urn:aegis:problem:invalid-request"}
        assert "colour" in answer["refused"][3]["detail"]
        assert len(blobs(api)) == 2, "nothing of what was refused stays"

    def test_a_body_without_a_usable_document_is_refused_as_a_whole(self, api: Service) -> None:
        assert "text: is empty" in sent(api, lines({"text": " "}, {"text": ""}), 422)["detail"]
        assert "no document" in sent(api, "\n\n", 422)["detail"]
        assert not blobs(api)

    def test_equal_documents_share_a_job(self, api: Service) -> None:
        answer = sent(api, lines({"text": "Once."}, {"text": "Twice."}, {"text": "Once."}))

        assert answer["accepted"] == 2
        assert answer["jobs"][0] == answer["jobs"][2]

    def test_long_texts_and_addresses_go_in_a_batch_too(self, api: Service) -> None:
        long = "A sentence of a long text. " * 4000
        answer = sent(api, lines({"text": long}, {"url": "https://example.com/vpn.html"}, {"text": "Short."}))

        stages = [api.http.get(f"/v1/jobs/{job['job_id']}").json()["stage"] for job in answer["jobs"]]
        assert stages == [Stage.PARSE, Stage.FETCH, Stage.PARSE]
        sizes = sorted(api.parts.blobs.length(key) for key in blobs(api))
        assert sizes == [len("Short."), len(long)]

    def test_the_address_may_name_the_collection_and_what_happens_on_conflict(self, api: Service) -> None:
        api.publish("doc-0", collection="handbook")
        body = lines({"text": "New.", "document_id": "doc-0"}, {"text": "Own.", "collection": "other"})

        answer = sent(api, body, params={"collection": "handbook", "on_conflict": "keep"})

        assert answer["jobs"][0]["document_id"].startswith("doc-0~")
        batch = api.http.get(answer["status_url"]).json()
        assert sorted(batch["collections"]) == ["handbook", "other"]

    def test_too_many_documents_are_refused_before_one_is_stored(self, valkey: str, tmp_path: Path) -> None:
        with serving(settings_of(valkey, tmp_path, max_batch_documents=3)) as api:
            assert sent(api, texts(3))["accepted"] == 3
            assert sent(api, texts(4), 413)["type"].endswith("document-too-large")
            assert len(blobs(api)) == 3

    def test_a_document_over_the_limit_is_refused_and_the_others_are_not(
        self, valkey: str, tmp_path: Path
    ) -> None:
        with serving(settings_of(valkey, tmp_path, max_upload_mb=1)) as api:
            answer = sent(
                api, lines({"text": "x" * (1 << 20) + "y"}, {"text": "z" * (3 << 20)}, {"text": "Ok"})
            )

            assert [each["status"] for each in answer["refused"]] == [413, 413]
            assert answer["accepted"] == 1


class TestIdempotency:
    def test_a_repeated_batch_gets_the_same_answer(self, api: Service) -> None:
        body, headers = texts(5) + "{broken\n", {"Idempotency-Key": "k"}
        first = sent(api, body, headers=headers)

        again = api.http.post("/v1/documents:batch", content=body, headers={**NDJSON, **headers})

        assert again.json() == first
        assert again.headers["idempotency-replayed"] == "true"
        assert len(blobs(api)) == 5

    def test_another_body_under_the_same_key_is_refused(self, api: Service) -> None:
        sent(api, texts(2), headers={"Idempotency-Key": "k"})

        refused = sent(api, texts(3), 422, headers={"Idempotency-Key": "k"})

        assert refused["type"].endswith("idempotency-mismatch")

    def test_a_submit_that_broke_off_keeps_the_jobs_that_it_had_recorded(
        self, api: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Crash(BaseException):
            pass

        kept = DurableBatchStore.accept

        crashes = [Crash]

        def half(self: Any, jobs: Any, parts: Any, options: Any) -> Any:
            if crashes:
                kept(self, jobs[:3], parts[:3], options)
                raise crashes.pop()
            return kept(self, jobs, parts, options)

        monkeypatch.setattr(DurableBatchStore, "accept", half)
        with suppress(httpx.HTTPError):
            api.http.post("/v1/documents:batch", content=texts(5), headers={**NDJSON, "Idempotency-Key": "k"})
        before = {job.id for job in api.parts.jobs.page(collections=None, cursor=None, limit=10).items}
        assert len(before) == 3

        answer = sent(api, texts(5), headers={"Idempotency-Key": "k"})

        ids = [job["job_id"] for job in answer["jobs"]]
        assert set(ids[:3]) == before
        assert answer["accepted"] == len(set(ids)) == 5

    def test_a_key_of_a_batch_that_was_refused_as_a_whole_is_free(self, api: Service) -> None:
        sent(api, lines({"text": ""}), 422, headers={"Idempotency-Key": "k"})

        assert sent(api, texts(1), headers={"Idempotency-Key": "k"})["accepted"] == 1


class TestProgress:
    def test_a_batch_tells_its_counts_and_failures(self, api: Service) -> None:
        answer = sent(api, texts(4))
        batch = api.http.get(answer["status_url"]).json()
        assert (batch["state"], batch["counts"]["queued"], batch["progress"]) == (
            "queued",
            4,
            {"done": 0, "total": 4},
        )

        api.finish(answer["jobs"][0]["job_id"])
        batch = api.http.get(answer["status_url"]).json()

        assert batch["state"] == "running"
        assert batch["progress"] == {"done": 1, "total": 4}
        assert batch["failures"] == []

    def test_waiting_ends_with_the_last_job(self, api: Service) -> None:
        answer = sent(api, texts(2))
        assert api.http.get(answer["status_url"], params={"wait": 0.5}).json()["state"] == "queued"
        for job in answer["jobs"]:
            api.finish(job["job_id"])

        batch = api.http.get(answer["status_url"], params={"wait": 30}).json()

        assert (batch["state"], batch["counts"]["succeeded"]) == ("succeeded", 2)

    def test_events_end_with_the_result(self, api: Service) -> None:
        answer = sent(api, texts(2))
        for job in answer["jobs"]:
            api.finish(job["job_id"])

        told = api.http.get(f"{answer['status_url']}/events")

        kinds = [line.removeprefix("event: ") for line in told.text.splitlines() if line.startswith("event:")]
        assert kinds == ["state", "progress", "result"]
        last = [line.removeprefix("id: ") for line in told.text.splitlines() if line.startswith("id:")][-1]
        again = api.http.get(f"{answer['status_url']}/events", headers={"Last-Event-ID": last})
        assert again.status_code == 204

    def test_events_come_while_the_jobs_end_without_a_notification_of_each_change(self, api: Service) -> None:
        answer = sent(api, texts(2))
        kinds: list[str] = []
        with api.http.stream("GET", f"{answer['status_url']}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: "))
                    assert not api.parts.changes._subscribed_to_all
                if line.startswith("event: progress") and (left := answer["jobs"]):
                    api.finish(left.pop()["job_id"])

        assert kinds[:2] == ["state", "progress"]
        assert kinds[-2:] == ["progress", "result"]
        assert kinds.count("progress") >= 3

    def test_a_comment_comes_while_nothing_happens(
        self, api: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(routes, "_SILENCE_SECONDS", 0.0)
        monkeypatch.setattr(routes, "_RECHECK_SECONDS", 0.05)
        answer = sent(api, texts(1))
        with api.http.stream("GET", f"{answer['status_url']}/events") as stream:
            assert next(line for line in stream.iter_lines() if line.startswith(":")) == ": ping"
            api.finish(answer["jobs"][0]["job_id"])

    def test_a_cancel_ends_what_is_open(self, api: Service) -> None:
        answer = sent(api, texts(3))
        api.finish(answer["jobs"][0]["job_id"])

        cancelled = api.http.delete(answer["status_url"])

        assert cancelled.status_code == 202
        assert cancelled.json()["counts"] | {} == {
            "queued": 0, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 2, "dead": 0,
        }  # fmt: skip
        assert api.http.delete(answer["status_url"]).status_code == 409
        assert cancelled.json()["state"] == "cancelled"

    def test_an_unknown_batch_is_not_found(self, api: Service) -> None:
        for path in ("/v1/batches/0192", "/v1/batches/a%2Fb", "/v1/batches/0192/events"):
            assert api.http.get(path).status_code == 404
        assert api.http.delete("/v1/batches/0192").status_code == 404


class TestForms:
    def test_each_file_is_a_document_and_fields_hold_for_all(self, api: Service) -> None:
        files = [("file", (f"guides/{name}.md", f"# {name}", "text/markdown")) for name in "abc"]
        files.append(("file", ("x.bin", b"\0\1\2\3", "application/octet-stream")))
        form = {"collection": "handbook", "metadata": '{"lang": "en"}'}

        answer = api.http.post("/v1/documents:batch", files=files, data=form).json()

        assert [job and job["document_id"] for job in answer["jobs"]] == [
            "guides/a.md", "guides/b.md", "guides/c.md", None,
        ]  # fmt: skip
        assert answer["refused"][0]["status"] == 415
        job = api.parts.jobs.get(answer["jobs"][0]["job_id"])
        assert job is not None
        assert (job.collection, job.inputs["metadata"]) == ("handbook", {"lang": "en"})

    def test_fields_about_one_document_are_refused(self, api: Service) -> None:
        answer = api.http.post(
            "/v1/documents:batch", files=[("file", ("a.txt", b"A"))], data={"document_id": "a"}
        )

        assert answer.status_code == 422
        assert "document_id" in answer.json()["detail"]

    def test_the_same_files_are_the_same_body_whatever_the_boundary(self, api: Service) -> None:
        def send() -> httpx.Response:
            files = [("file", (f"{n}.txt", f"Text {n}")) for n in range(12)]
            return api.http.post("/v1/documents:batch", files=files, headers={"Idempotency-Key": "f"})

        first, again = send(), send()

        assert first.status_code == 202
        assert again.json() == first.json()


class TestArchives:
    def test_each_file_is_a_document(self, api: Service) -> None:
        body = zipped(**{"guides/": b"", "guides/vpn.md": b"# VPN", "a.txt": b"A", "__MACOSX/._a.txt": b"x"})

        answer = send_zip(api, body).json()

        assert [job["document_id"] for job in answer["jobs"]] == ["guides/vpn.md", "a.txt"]

    def test_hostile_names_lead_nowhere(self, api: Service) -> None:
        names = [
            "../../etc/passwd.txt",
            "/secrets/x.txt",
            "C:\\s\\y.txt",
            "a/../../b.txt",
            "\u202egpj.txt",
        ]

        answer = send_zip(api, zipped(**{name: name.encode() for name in names})).json()

        ids = [job["document_id"] for job in answer["jobs"]]
        assert ids[:4] == ["etc/passwd.txt", "x.txt", "y.txt", "a/b.txt"]
        assert ids[4].isprintable()

    def test_links_encrypted_files_and_nested_archives_are_refused(self, api: Service) -> None:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(link, "/etc/passwd")
            archive.writestr("inner.zip", zipped(a=b"A"))
            archive.writestr("ok.txt", "Ok")

        answer = send_zip(api, packed.getvalue()).json()

        assert [job is None for job in answer["jobs"]] == [True, True, False]
        assert [each["status"] for each in answer["refused"]] == [415, 415]

    def test_a_bomb_is_refused_before_it_is_unpacked(self, valkey: str, tmp_path: Path) -> None:
        with serving(settings_of(valkey, tmp_path, max_upload_mb=8, max_batch_mb=8)) as api:
            answer = send_zip(api, zipped(**{"bomb.txt": b" " * (7 << 20), "ok.txt": b"Ok"}))
            assert answer.json()["refused"][0]["status"] == 413
            many = send_zip(api, zipped(**{f"{n}.txt": b" " * (7 << 20) for n in range(6)}))
            assert many.status_code == 413

    @pytest.mark.parametrize("cut", [0, 10, 30, 60])
    def test_a_broken_archive_is_refused(self, api: Service, cut: int) -> None:
        body = zipped(**{"a.txt": b"A" * 50})
        for broken in (
            body[:cut],
            body[cut + 1 :] if cut else b"PK",
            body[:-22] + b"PK\x05\x06" + b"\xff" * 18,
        ):
            assert send_zip(api, broken).status_code in (413, 415, 422), broken

    def test_a_long_table_of_contents_is_counted_before_it_is_read(self, valkey: str, tmp_path: Path) -> None:
        with serving(settings_of(valkey, tmp_path, max_batch_documents=50)) as api:
            assert send_zip(api, zipped(**{f"{n}": b"" for n in range(600)})).status_code == 413


class TestLimits:
    def test_each_document_counts_for_the_rate_limit(self, valkey: str, tmp_path: Path) -> None:
        with serving(settings_of(valkey, tmp_path, rate_limit_requests_per_minute=10)) as api:
            assert sent(api, texts(6))["accepted"] == 6
            assert sent(api, texts(6), 429)["type"].endswith("overloaded")
            assert "send less" in sent(api, texts(12), 422)["detail"]

    def test_what_the_queue_has_no_room_for_is_refused_and_may_come_again(
        self, valkey: str, tmp_path: Path
    ) -> None:
        with serving(settings_of(valkey, tmp_path, max_open_ingests=4)) as api:
            answer = sent(api, texts(6))

            assert [job is None for job in answer["jobs"]] == [False] * 4 + [True] * 2
            assert all(each["retry_after"] >= 1 for each in answer["refused"])
            assert len(blobs(api)) == 4
            assert sent(api, texts(2), 429)["type"].endswith("overloaded")

    def test_a_key_stores_no_more_than_it_may(self, valkey: str, tmp_path: Path) -> None:
        key = "a-key-of-sixteen-or-more"
        keys = {key: {"name": "ci", "role": "write", "collections": ["*"]}}
        with serving(settings_of(valkey, tmp_path, api_keys=keys, max_documents_per_key=2)) as api:
            answer = sent(api, texts(3), headers={"Authorization": f"Bearer {key}"})

            assert [each["status"] for each in answer["refused"]] == [403]
            assert answer["accepted"] == 2

    def test_a_key_sees_and_sends_only_within_its_scope(self, valkey: str, tmp_path: Path) -> None:
        mine, other, reader = "key-mine-sixteen-chars", "key-other-sixteen-chars", "key-reader-sixteen-chars"
        keys = {
            mine: {"name": "mine", "role": "write", "collections": ["mine"]},
            other: {"name": "other", "role": "write", "collections": ["other"]},
            reader: {"name": "reader", "role": "read", "collections": ["mine"]},
        }

        def bearer(key: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {key}"}

        with serving(settings_of(valkey, tmp_path, api_keys=keys)) as api:
            body = lines({"text": "A", "collection": "mine"}, {"text": "B", "collection": "other"})
            answer = sent(api, body, headers=bearer(mine))

            assert [each["status"] for each in answer["refused"]] == [403]
            path = answer["status_url"]
            assert api.http.get(path, headers=bearer(mine)).status_code == 200
            assert api.http.get(path, headers=bearer(other)).status_code == 404
            assert api.http.get(path).status_code == 401
            assert api.http.get(path, headers=bearer(reader)).status_code == 200
            assert api.http.delete(path, headers=bearer(reader)).status_code == 403
            sent(api, body, 403, headers=bearer(reader))

    def test_the_audit_log_has_the_batch_and_its_number_of_documents(self, api: Service) -> None:
        answer = sent(api, texts(3))

        entry = api.http.get("/v1/audit").json()["items"][0]

        assert (entry["batch_id"], entry["documents"], entry["job_id"]) == (answer["batch_id"], 3, None)

    def test_other_types_are_refused(self, api: Service) -> None:
        answer = api.http.post("/v1/documents:batch", json={"text": "A"})

        assert answer.status_code == 415
