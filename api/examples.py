"""One example of each thing that is sent or answered. A test holds them to the schemas."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from api.job_examples import BACKUP_ID, BEGAN, COUNTS, ENDED, JOB_ID, JOBS, QUOTE

_KEY_ID = "mfzwizltoq2dkojy"

_COLLECTION = {
    "name": "handbook",
    "embedding_model": "all-MiniLM-L6-v2",
    "dimension": 384,
    "documents": 1203,
    "chunks": 30012,
    "created_at": BEGAN,
    "layouts": [
        {
            "number": 1,
            "embedding_model": "all-MiniLM-L6-v2",
            "dimension": 384,
            "state": "serving",
            "job_id": None,
        }
    ],
}
_BACKUP = {
    "id": BACKUP_ID,
    "began_at": BEGAN,
    "finished_at": ENDED,
    "mode": "incremental",
    "trigger": "schedule",
    "application": "0.1.0",
    "engine": {"kind": "edge", "version": "0.7.6"},
    "encrypted": True,
    "sources": "copied",
    "bytes": 1234567890,
    "objects": 124,
    **COUNTS,
    "collections": [
        {
            "name": "handbook",
            **COUNTS,
            "digest": "9f2c61d0",
            "embedding_model": "all-MiniLM-L6-v2",
            "dimension": 384,
            "late": 0,
        }
    ],
    "missing": [],
}
_OUTCOMES = {
    "last": {
        "at": ENDED,
        "job_id": JOB_ID,
        "backup": BACKUP_ID,
        "ok": True,
        "seconds": 41.2,
        "error": None,
        "figures": {"documents": 1203},
    },
    "last_good": None,
}
_KEY = {
    "id": _KEY_ID,
    "name": "ci",
    "role": "write",
    "collections": ["handbook"],
    "state": "active",
    "created_at": BEGAN,
    "created_by": "root",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": ENDED,
    "grace_until": None,
    "restored_from": None,
}

OF_SCHEMAS: Mapping[str, Any] = {
    "Submitted": {
        "job_id": JOB_ID,
        "document_id": "guides/vpn.md",
        "status_url": f"/v1/jobs/{JOB_ID}",
        "survives": "broker-loss",
    },
    "Job": JOBS["ingest"],
    "Document": {
        "document_id": "guides/vpn.md",
        "collection": "handbook",
        "version": 1,
        "title": "VPN guide",
        "media_type": "text/markdown",
        "chunks": 12,
        "tokens": 1840,
        "metadata": {"lang": "en"},
        "created_at": BEGAN,
        "updated_at": ENDED,
    },
    "Collection": _COLLECTION,
    "Backup": _BACKUP,
    "WholeBackup": {**_BACKUP, "configuration": {"CHUNK_TOKENS": 200}},
    "BackupStanding": dict.fromkeys(("backup", "verify", "rehearse", "restore", "prune"), _OUTCOMES),
    "Key": _KEY,
    "NewKey": {**_KEY, "key": f"aegis_{_KEY_ID}_4b1c9d"},
    "DeadLetter": {
        "id": JOB_ID,
        "kind": "query",
        "collection": "handbook",
        "document_id": None,
        "stage": "generate",
        "reason": "unavailable",
        "error": {
            "type": "urn:aegis:problem:unavailable",
            "title": "The job was given up",
            "detail": "Given up after 3 attempts at stage generate and 2 retries in all",
            "stage": "generate",
            "attempts": 3,
        },
        "attempts": 3,
        "retries": 2,
        "created_at": BEGAN,
        "died_at": ENDED,
        "subject": JOBS["query"]["subject"],
        "inputs": {"question": "How do I get a VPN token?"},
    },
    "Replayed": {"replayed": 3},
    "Dropped": {"dropped": 3},
    "AuditEntry": {
        "at": BEGAN,
        "kind": "writes",
        "key": "ci",
        "key_id": _KEY_ID,
        "role": "write",
        "method": "POST",
        "path": "/v1/documents",
        "collection": None,
        "status": 202,
        "address": "203.0.113.7",
        "request_id": "5f0c1b7e",
        "job_id": JOB_ID,
        "count": 1,
        "reason": None,
        "origin": None,
    },
    "Health": {
        "status": "ok",
        "version": "0.1.0",
        "environment": "production",
        "components": {"broker": True, "embed": True},
    },
    "Readiness": {
        "status": "ready",
        "components": {"broker": {"ready": True, "essential": True, "detail": {}}},
    },
    "Chunk": {
        "index": 0,
        "chunk_id": "guides/vpn.md#0",
        "start": 0,
        "end": 62,
        "page": None,
        "headings": ["VPN", "Tokens"],
        "tokens": 14,
        "text": f"# VPN\n\n## Tokens\n\n{QUOTE}",
    },
    "DocumentChangeRequest": {"title": "VPN guide", "metadata": {"year": 2026, "draft": None}},
    "DocumentRequest": {"text": "# VPN\n\nA token is issued at the service desk.", "collection": "handbook"},
    "QueryRequest": {"question": "How do I get a VPN token?", "collection": "handbook", "top_n": 3},
    "ReindexRequest": {"model": "jina-embeddings-v3", "dimension": 1024},
    "ReplayRequest": {"reason": "unavailable"},
    "BackupRequest": {"mode": "incremental"},
    "RestoreRequest": {"collection": "handbook", "into": "handbook-before"},
    "KeyRequest": {"name": "ci", "role": "write", "collections": ["handbook"]},
    "RotationRequest": {"grace_seconds": 3600},
}
"""By the schema's name. A page shows one of what it lists."""

OF_OPERATIONS: Mapping[str, Any] = {
    "get_liveness": {"status": "alive"},
    "get_document_content": f"# VPN\n\n## Tokens\n\n{QUOTE}",
    "get_document_text": f"# VPN\n\n## Tokens\n\n{QUOTE}",
    "get_metrics": "aegis_broker_up 1.0\n",
    "follow_job": 'event: state\ndata: {"state":"running","stage":"parse","attempts":1}\n'
    "id: 1795438435870-0\n\n",
    "follow_jobs": f'event: progress\ndata: {{"job_id": "{JOB_ID}", "data": {{"done": 3, "total": 12}}}}\n'
    f"id: 1795438435870-0/{JOB_ID}\n\n",
}
"""Of answers that have no schema of their own, by the operation's name."""

OF_PARAMETERS: Mapping[str, Any] = {
    "job_id": JOB_ID,
    "job": [JOB_ID],
    "document_id": "guides/vpn.md",
    "name": "handbook",
    "backup": "latest",
    "key_id": _KEY_ID,
}
"""By the parameter's name."""

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
