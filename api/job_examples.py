"""A job of each kind as an example of what OpenAPI describes."""

from collections.abc import Mapping
from typing import Any

JOB_ID = "01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11"
BACKUP_ID = "01990a71-9c2e-7d10-8f5b-6a3e2c1d4b90"
BEGAN, ENDED = "2026-11-23T20:07:00Z", "2026-11-23T20:07:41Z"
QUOTE = "A token is issued at the service desk."
COUNTS = {"documents": 1203, "points": 30012}

_PLACE = {
    "document_id": "guides/vpn.md",
    "chunk_id": "guides/vpn.md#0",
    "title": "VPN guide",
    "headings": ["VPN", "Tokens"],
    "page": None,
    "start": 24,
    "end": 62,
    "text": QUOTE,
    "score": 0.914,
    "metadata": {"lang": "en"},
    "url": "/document.html#collection=handbook&document=guides%2Fvpn.md&version=1&start=24&end=62",
    "chunk_url": "/v1/documents/guides%2Fvpn.md/chunks?collection=handbook&chunk_id=guides%2Fvpn.md%230",
}
_RESTORED = {
    "backup": BACKUP_ID,
    "collections": [
        {
            "name": "handbook",
            "into": None,
            "generation": 2,
            **COUNTS,
            "golden": {"asked": 20, "same": 20, "overlap": 1.0},
        }
    ],
    **COUNTS,
    "golden": 20,
    "overlap": 1.0,
    "bytes": 1234567890,
    "seconds": 41.2,
}
_RESULTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ingest": (
        "index",
        {"document_id": "guides/vpn.md", "version": 1, "chunks": 12, "tokens": 1840, "unchanged": False},
    ),
    "query": (
        "generate",
        {
            "answer": f"{QUOTE} [1]",
            "citations": [{"n": 1, **_PLACE}],
            "hits": [_PLACE],
            "generator": "extractive",
            "cached": False,
            "timings_ms": {
                "queue": 6.1, "embed": 9.3, "search": 4.2, "rerank": 38.5, "generate": 12.0, "total": 70.1
            },
        },
    ),
    "delete": ("purge", {"document_id": "guides/vpn.md", "collection": "handbook"}),
    "reindex": (
        "switch",
        {
            "collection": "handbook",
            "embedding_model": "jina-embeddings-v3",
            "dimension": 1024,
            "layout": 2,
            "documents": 1203,
            "chunks": 30012,
            "sentences": 200,
            "questions": 12,
            "recall_before": 0.91,
            "recall_after": 0.95,
            "mrr_before": 0.78,
            "mrr_after": 0.84,
            "overlap": 0.71,
            "missing": 0,
        },
    ),
    "backup": (
        "seal",
        {
            "backup": BACKUP_ID,
            "mode": "incremental",
            "collections": ["handbook"],
            **COUNTS,
            "lacking": 0,
            "bytes": 1234567890,
            "sent": 5242880,
            "seconds": 41.2,
            "missing": [],
        },
    ),
    "verify": ("verify", {"backup": BACKUP_ID, "objects": 124, "bytes": 1234567890, "seconds": 33.0}),
    "rehearse": ("check", _RESTORED),
    "restore": (
        "replay",
        {
            **_RESTORED,
            "jobs": 3, "dead_letters": 0, "keys": 2, "replayed": 3, "reingested": 0,
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
    "query": {"name": "How do I get a VPN token?", "question": "How do I get a VPN token?"},
    "delete": {"name": "guides/vpn.md", "document_id": "guides/vpn.md"},
    "reindex": {"name": "jina-embeddings-v3", "model": "jina-embeddings-v3"},
    **{kind: {"name": BACKUP_ID, "backup": BACKUP_ID} for kind in ("verify", "rehearse", "restore")},
}

JOBS: Mapping[str, Mapping[str, Any]] = {
    kind: {
        "id": JOB_ID,
        "kind": kind,
        "subject": {**_SUBJECT, "name": kind, "collection": "handbook", **_SUBJECTS.get(kind, {})},
        "state": "succeeded",
        "stage": stage,
        "progress": {"done": 1, "total": 1},
        "queue_position": None,
        "created_at": BEGAN,
        "started_at": BEGAN,
        "finished_at": ENDED,
        "attempts": 1,
        "result": result,
        "error": None,
        "trace_id": None,
    }
    for kind, (stage, result) in _RESULTS.items()
}
"""A job of each kind that has succeeded."""
