"""The plain way: a FastAPI route that starts one Celery task a document, and a task that embeds and stores.

Reads ``PLAIN_REDIS_URL``, ``PLAIN_MODEL``, ``PLAIN_TOKENIZER`` and either ``PLAIN_QDRANT_URL``, of a Qdrant
server, or ``PLAIN_FOLDER``, for the store that is embedded in qdrant-client.
"""

import os
from functools import cache
from pathlib import Path
from uuid import uuid4

from celery import Celery
from fastapi import FastAPI
from pydantic import BaseModel
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

from bench.peers.encoder import Encoder

COLLECTION, VECTOR, DIMENSION = "plain", "dense", 384

celery_app = Celery("plain", broker=os.environ["PLAIN_REDIS_URL"], backend=os.environ["PLAIN_REDIS_URL"])
api = FastAPI()


class SubmittedDocument(BaseModel):
    text: str


@api.post("/documents", status_code=202)
def submit_document(document: SubmittedDocument) -> dict[str, str]:
    """Queue the document, and answer with the id of its task."""
    return {"task_id": ingest_document.delay(document.text).id}


@celery_app.task(acks_late=True)
def ingest_document(text: str) -> str:
    """Embed and store one document of one passage. Returns its id."""
    (vector,) = _encoder().encode([text])
    document_id = str(uuid4())
    point = PointStruct(id=document_id, vector={VECTOR: vector}, payload={"text": text})
    _store().upsert(COLLECTION, [point], wait=True)
    return document_id


@cache
def _encoder() -> Encoder:
    return Encoder(Path(os.environ["PLAIN_MODEL"]), Path(os.environ["PLAIN_TOKENIZER"]))


@cache
def _store() -> QdrantClient:
    return open_store()


def open_store() -> QdrantClient:
    url = os.environ.get("PLAIN_QDRANT_URL")
    return QdrantClient(url=url) if url else QdrantClient(path=os.environ["PLAIN_FOLDER"])


def create_collection() -> None:
    """Make the empty collection anew, before a worker starts: two of its processes might both make it."""
    store = open_store()
    store.delete_collection(COLLECTION)
    store.create_collection(
        COLLECTION, vectors_config={VECTOR: VectorParams(size=DIMENSION, distance=Distance.COSINE)}
    )
    store.close()
