"""One example of each thing that is sent or answered, for OpenAPI. A test checks them against the schemas."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

JOB_ID = "01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11"
BATCH_ID = "01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e10"
_BACKUP_ID = "01990a71-9c2e-7d10-8f5b-6a3e2c1d4b90"
_KEY_ID = "mfzwizltoq2dkojy"
_BEGAN, _ENDED = "2026-11-23T20:07:00Z", "2026-11-23T20:07:41Z"
_QUOTE = "A token is issued at the service desk."
_QUESTION = "How do I get a VPN token?"
_TEXT = f"# VPN\n\n## Tokens\n\n{_QUOTE}"
_COUNTS = {"documents": 1203, "points": 30012}
_MODEL = {"embedding_model": "all-MiniLM-L6-v2", "dimension": 384}

_PLACE = {
    "document_id": "guides/vpn.md", "parent": None, "chunk_id": "guides/vpn.md#0", "title": "VPN guide",
    "headings": ["VPN", "Tokens"], "page": None, "start": 24, "end": 62, "text": _QUOTE, "score": 0.914,
    "metadata": {"lang": "en"},
    "url": "/document.html#collection=handbook&document=guides%2Fvpn.md&version=1&start=24&end=62",
    "chunk_url": "/v1/documents/guides%2Fvpn.md/chunks?collection=handbook&chunk_id=guides%2Fvpn.md%230",
}  # fmt: skip
_RESTORED = {
    "backup": _BACKUP_ID,
    "collections": [
        {
            "name": "handbook", "into": None, "generation": 2, **_COUNTS,
            "golden": {"asked": 20, "same": 20, "overlap": 1.0},
        }
    ],
    **_COUNTS, "golden": 20, "overlap": 1.0, "bytes": 1234567890, "seconds": 41.2,
}  # fmt: skip
_WARNINGS = [{"kind": "pages", "count": 2, "text": "pages 4-5 were not read: they have no text layer"}]
# The last stage and the result of each kind.
_RESULTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ingest": (
        "index",
        {
            "document_id": "guides/vpn.md", "version": 1, "chunks": 12, "tokens": 1840, "unchanged": False,
            "warnings": _WARNINGS,
        },
    ),
    "query": (
        "generate",
        {
            "answer": f"{_QUOTE} [1]", "citations": [{"n": 1, **_PLACE}], "hits": [_PLACE],
            "generator": "extractive", "cached": False,
            "timings_ms": {
                "queue": 6.1, "embed": 9.3, "search": 4.2, "rerank": 38.5, "generate": 12.0, "total": 70.1
            },
        },
    ),
    "delete": ("purge", {"document_id": "guides/vpn.md", "collection": "handbook"}),
    "reindex": (
        "switch",
        {
            "collection": "handbook", "embedding_model": "jina-embeddings-v3", "dimension": 1024, "layout": 2,
            "documents": 1203, "chunks": 30012, "sentences": 200, "questions": 12, "recall_before": 0.91,
            "recall_after": 0.95, "mrr_before": 0.78, "mrr_after": 0.84, "overlap": 0.71, "missing": 0,
        },
    ),
    "backup": (
        "seal",
        {
            "backup": _BACKUP_ID, "mode": "incremental", "collections": ["handbook"], **_COUNTS, "lacking": 0,
            "bytes": 1234567890, "sent": 5242880, "seconds": 41.2, "missing": [],
        },
    ),
    "verify": ("verify", {"backup": _BACKUP_ID, "objects": 124, "bytes": 1234567890, "seconds": 33.0}),
    "rehearse": ("check", _RESTORED),
    "restore": (
        "replay",
        {
            **_RESTORED, "jobs": 3, "dead_letters": 0, "keys": 2, "replayed": 3, "reingested": 0,
            "not_replayed": [], "undeleted": [], "missing": [],
        },
    ),
    "prune": (
        "prune", {"kept": 31, "removed": 2, "released": 0, "objects": 40, "bytes": 5242880, "locked": 0}
    ),
}  # fmt: skip

_SUBJECT = dict.fromkeys(
    ("name", "collection", "document_id", "title", "filename", "url", "question", "model", "backup")
)
_SUBJECTS: Mapping[str, Mapping[str, str]] = {
    "ingest": {"name": "guides/vpn.md", "document_id": "guides/vpn.md", "filename": "vpn.md"},
    "query": {"name": _QUESTION, "question": _QUESTION},
    "delete": {"name": "guides/vpn.md", "document_id": "guides/vpn.md"},
    "reindex": {"name": "jina-embeddings-v3", "model": "jina-embeddings-v3"},
    **{kind: {"name": _BACKUP_ID, "backup": _BACKUP_ID} for kind in ("verify", "rehearse", "restore")},
}

# A job of each kind that has succeeded.
JOBS: Mapping[str, Mapping[str, Any]] = {
    kind: {
        "id": JOB_ID, "kind": kind,
        "subject": {**_SUBJECT, "name": kind, "collection": "handbook", **_SUBJECTS.get(kind, {})},
        "state": "succeeded", "stage": stage, "progress": {"done": 1, "total": 1}, "queue_position": None,
        "created_at": _BEGAN, "started_at": _BEGAN, "finished_at": _ENDED, "attempts": 1, "result": result,
        "error": None, "waiting_for": None, "trace_id": None, "batch_id": None,
    }
    for kind, (stage, result) in _RESULTS.items()
}  # fmt: skip

_BACKUP = {
    "id": _BACKUP_ID, "began_at": _BEGAN, "finished_at": _ENDED, "mode": "incremental", "trigger": "schedule",
    "application": "0.2.0", "engine": {"kind": "edge", "version": "0.7.6"}, "encrypted": True,
    "sources": "copied", "bytes": 1234567890, "objects": 124, **_COUNTS,
    "collections": [{"name": "handbook", **_COUNTS, "digest": "9f2c61d0", **_MODEL, "late": 0}],
    "missing": [],
}  # fmt: skip
_OUTCOMES = {
    "last": {
        "at": _ENDED, "job_id": JOB_ID, "backup": _BACKUP_ID, "ok": True, "seconds": 41.2, "error": None,
        "figures": {"documents": 1203},
    },
    "last_good": None,
}  # fmt: skip
_KEY = {
    "id": _KEY_ID, "name": "ci", "role": "write", "collections": ["handbook"], "state": "active",
    "created_at": _BEGAN, "created_by": "root", "expires_at": None, "revoked_at": None,
    "last_used_at": _ENDED, "grace_until": None, "restored_from": None,
}  # fmt: skip

_BATCH = {
    "id": BATCH_ID, "state": "running", "created_at": _BEGAN, "collections": ["handbook"], "accepted": 200,
    "refused": 1, "counts": {
        "queued": 120, "running": 16, "succeeded": 63, "failed": 1, "cancelled": 0, "dead": 0
    },
    "forgotten": 0, "progress": {"done": 64, "total": 200},
    "failures": [
        {
            "job_id": JOB_ID, "document_id": "guides/vpn.pdf", "state": "failed",
            "error": {
                "type": "urn:aegis:problem:unreadable-document", "title": "The document cannot be read",
                "detail": "it is encrypted", "stage": "parse", "attempts": 1,
            },
        }
    ],
}  # fmt: skip

# By the schema's name. A page shows one of what it lists.
OF_SCHEMAS: Mapping[str, Any] = {
    "Submitted": {
        "job_id": JOB_ID, "document_id": "guides/vpn.md", "status_url": f"/v1/jobs/{JOB_ID}",
        "survives": "broker-loss",
    },
    "BatchSubmitted": {
        "batch_id": BATCH_ID, "status_url": f"/v1/batches/{BATCH_ID}", "survives": "broker-loss",
        "accepted": 1,
        "jobs": [{"job_id": JOB_ID, "document_id": "guides/vpn.md"}, None],
        "refused": [
            {
                "position": 1, "type": "urn:aegis:problem:invalid-request", "status": 422,
                "title": "A field has a value that cannot be used", "detail": "text: is empty",
            }
        ],
    },
    "Batch": _BATCH,
    "Job": JOBS["ingest"],
    "Stuck": {
        "items": [
            {
                "reason": "worker-gone", "count": 1,
                "to_do": "Run `aegis jobs unstick`: it lets another worker take the job over at once",
                "jobs": [
                    {
                        "id": JOB_ID, "kind": "ingest", "stage": "embed", "since": _BEGAN, "error": None,
                        "message": "The worker that had begun it does not answer any more: another one takes "
                        "the job over when its lease is over",
                    }
                ],
            }
        ],
    },
    "Unstuck": {
        "done": [f"job {JOB_ID}: its worker is gone, so another one of lane embed takes it over"],
    },
    "Document": {
        "document_id": "guides/vpn.md", "collection": "handbook", "version": 1, "title": "VPN guide",
        "media_type": "text/markdown", "chunks": 12, "tokens": 1840, "metadata": {"lang": "en"},
        "created_at": _BEGAN, "updated_at": _ENDED, "warnings": _WARNINGS,
    },
    "Collection": {
        "name": "handbook", **_MODEL, "documents": 1203, "chunks": 30012, "created_at": _BEGAN,
        "layouts": [{"number": 1, **_MODEL, "state": "serving", "job_id": None}],
    },
    "Backup": _BACKUP,
    "WholeBackup": {**_BACKUP, "configuration": {"CHUNK_TOKENS": 200}},
    "BackupStanding": dict.fromkeys(("backup", "verify", "rehearse", "restore", "prune"), _OUTCOMES),
    "Key": _KEY,
    "NewKey": {**_KEY, "key": f"aegis_{_KEY_ID}_4b1c9d"},
    "DeadLetter": {
        "id": JOB_ID, "kind": "query", "collection": "handbook", "document_id": None, "stage": "generate",
        "reason": "unavailable",
        "error": {
            "type": "urn:aegis:problem:unavailable", "title": "The job was given up",
            "detail": "Given up after 3 attempts at stage generate and 2 retries in all",
            "stage": "generate", "attempts": 3,
        },
        "attempts": 3, "retries": 2, "created_at": _BEGAN, "died_at": _ENDED,
        "subject": JOBS["query"]["subject"], "inputs": {"question": _QUESTION},
    },
    "Replayed": {"replayed": 3},
    "Dropped": {"dropped": 3},
    "AuditEntry": {
        "at": _BEGAN, "kind": "writes", "key": "ci", "key_id": _KEY_ID, "role": "write", "method": "POST",
        "path": "/v1/documents", "collection": None, "status": 202, "address": "203.0.113.7",
        "request_id": "5f0c1b7e", "job_id": JOB_ID, "batch_id": None, "documents": 0,
        "count": 1, "reason": None, "origin": None,
    },
    "Lanes": {
        "read_at": _ENDED,
        "lanes": [
            {
                "lane": "embed", "stages": ["embed", "reembed", "compare"], "ready": 12, "resting": 0,
                "running": 8, "oldest_wait_seconds": 3.2, "ended": 4812, "workers": 1,
            }
        ],
        "workers": [
            {
                "lane": "embed", "host": "rag-1", "pid": 4711, "age_seconds": 0.8, "idle_seconds": 1.1,
                "busy_seconds": 1.1, "task": f"{JOB_ID}.embed.9f2c61", "error": None,
            }
        ],
        "jobs": {"queued": 12, "running": 8, "succeeded": 1203}, "ended": {"succeeded": 1203},
        "open": {"ingest": 20}, "open_limits": {"ingest": 10000}, "dead_letters": {},
    },
    "Health": {
        "status": "ok", "version": "0.2.0", "environment": "production",
        "components": {"broker": True, "embed": True}, "flower_url": "https://rag.example.com/flower/",
    },
    "Readiness": {
        "status": "ready", "components": {"broker": {"ready": True, "essential": True, "detail": {}}}
    },
    "Chunk": {
        "index": 0, "chunk_id": "guides/vpn.md#0", "start": 0, "end": 62, "page": None,
        "headings": ["VPN", "Tokens"], "tokens": 14, "text": _TEXT,
    },
    "DocumentChangeRequest": {"title": "VPN guide", "metadata": {"year": 2026, "draft": None}},
    "DocumentRequest": {"text": f"# VPN\n\n{_QUOTE}", "collection": "handbook"},
    "QueryRequest": {"question": _QUESTION, "collection": "handbook", "top_n": 3},
    "ReindexRequest": {"model": "jina-embeddings-v3", "dimension": 1024},
    "ReplayRequest": {"reason": "unavailable"},
    "BackupRequest": {"mode": "incremental"},
    "RestoreRequest": {"collection": "handbook", "into": "handbook-before"},
    "KeyRequest": {"name": "ci", "role": "write", "collections": ["handbook"]},
    "RotationRequest": {"grace_seconds": 3600},
}  # fmt: skip

# Of answers that have no schema of their own, by the operation's name.
OF_OPERATIONS: Mapping[str, Any] = {
    "get_liveness": {"status": "alive"},
    "get_document_content": _TEXT,
    "get_document_text": _TEXT,
    "get_metrics": "aegis_broker_up 1.0\n",
    "follow_job": 'event: state\ndata: {"state":"running","stage":"parse","attempts":1}\n'
    "id: 1795438435870-0\n\n",
    "follow_batch": 'event: progress\ndata: {"done": 64, "total": 200, "counts": {"succeeded": 64}}\n'
    "id: running-64\n\n",
    "follow_jobs": f'event: progress\ndata: {{"job_id": "{JOB_ID}", "data": {{"done": 3, "total": 12}}}}\n'
    f"id: 1795438435870-0/{JOB_ID}\n\n",
}

# By the parameter's name.
OF_PARAMETERS: Mapping[str, Any] = {
    "job_id": JOB_ID, "job": [JOB_ID], "batch_id": BATCH_ID, "document_id": "guides/vpn.md",
    "name": "handbook", "backup": "latest", "key_id": _KEY_ID,
}  # fmt: skip

_PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("malformed-request", "There is an error parsing the body"),
    401: ("unauthenticated", "Send a key: Authorization: Bearer KEY"),
    403: ("forbidden", "This key does not reach collection 'handbook'"),
    404: ("not-found", "There is no document 'guides/vpn.md' in collection 'handbook'"),
    408: ("request-timeout", "The body came too slowly"),
    409: ("conflict", "The job is over: succeeded"),
    413: ("document-too-large", "A document may have 50 MB at most (MAX_UPLOAD_MB)"),
    415: ("unexpected-content-type", "Send the body as application/json"),
    416: ("range-not-satisfiable", "The document has 1840 bytes"),
    422: ("invalid-request", "top_n: is over top_k, so more would be kept than are retrieved"),
    429: ("overloaded", "Over 100 requests a minute"),
    500: ("internal-error", "The service's log holds more under this answer's X-Request-ID"),
    503: ("unavailable", "Try again later"),
}


def problem_of(status: int) -> Mapping[str, Any]:
    """A problem as it comes with ``status``."""
    code, detail = _PROBLEMS.get(status, ("about", HTTPStatus(status).phrase))
    title = HTTPStatus(status).phrase
    return {"type": f"urn:aegis:problem:{code}", "title": title, "status": status, "detail": detail}
