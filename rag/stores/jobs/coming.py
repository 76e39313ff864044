"""Which documents are on their way into a collection."""

from rag.stores.jobs.base import JobScripts
from rag.stores.redis import PREFIX

_MOST = 100
"""Ingestions of one document that are told of."""


class Coming(JobScripts):
    def coming(self, collection: str) -> int:
        return int(self._scripts.run("coming", [PREFIX], "", collection))

    def coming_of(self, collection: str, document_id: str) -> list[str]:
        found: list[bytes] = self._scripts.run("coming_of", [PREFIX], "", collection, document_id, _MOST)
        return [job_id.decode() for job_id in found]
