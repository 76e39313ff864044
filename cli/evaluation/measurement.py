"""Measures a dataset on one API."""

from collections.abc import Callable, Mapping

from cli.client.client import Client
from cli.evaluation.asking import Asker, draw_sample
from cli.evaluation.collections import ingest_collection
from cli.evaluation.model import Dataset
from cli.evaluation.run import Run

Progress = Callable[[str], None]
"""Is told what is done now, in a line."""


def measure(
    dataset: Dataset,
    client: Client,
    *,
    sample: int | None = None,
    options: Mapping[str, object] | None = None,
    progress: Progress = lambda _: None,
) -> Run:
    """Ingest the documents, ask the questions, score the answers.

    ``sample``: questions of each kind at most; collections that they are not about are left out.
    ``options``: further fields of each query with an answer. Raises AegisError when the API cannot go on.
    """
    questions = draw_sample(dataset.questions, sample)
    wanted = {question.collection for question in questions}
    ingested, sent = {}, 0

    def count_document(_: object) -> None:
        nonlocal sent
        sent += 1
        progress(f"ingesting: {sent:,} documents")

    for collection in dataset.collections:
        if collection.name in wanted:
            ingested[collection.name] = ingest_collection(client, collection, count_document)
    asked = 0

    def count_question() -> None:
        nonlocal asked
        asked += 1
        progress(f"asking: {asked:,} of {len(questions):,}")

    names = {name: each.name for name, each in ingested.items()}
    scores = Asker(client, names, options or {}).ask_all(questions, count_question)
    seconds = sum(each.seconds for each in ingested.values())
    return Run(
        name=dataset.name,
        release=str(client.health()["version"]),
        documents=sum(each.documents for each in ingested.values()),
        scores=tuple(scores),
        collections=tuple(names.values()),
        unread=tuple(line for each in ingested.values() for line in each.unread),
        passages_per_second=sum(each.passages for each in ingested.values()) / seconds if seconds else None,
        has_limits=dataset.has_limits,
    )
