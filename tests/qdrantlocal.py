"""qdrant-client's local mode with what it leaves out of a server: errors by status, payload indexes,
and strict mode's refusal of filters without one. For tests only."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import httpx
import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

_UNIT = 1e-6
_RANGED = ("float", "integer", "datetime")


class LocalQdrant:
    """What Aegis calls of a ``QdrantClient``. Safe for threads, which local mode is not."""

    def __init__(self) -> None:
        self._client = QdrantClient(":memory:")
        self._lock = RLock()
        self._indexes: dict[str, dict[str, Any]] = defaultdict(dict)
        self._strict: dict[str, models.StrictModeConfig] = {}
        self._dense: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(dict)

    @property
    def http(self) -> "LocalQdrant":
        return self

    @property
    def collections_api(self) -> "LocalQdrant":
        return self

    def close(self) -> None:
        """Nothing: what it holds lives as long as it does."""

    def get_collections(self) -> models.CollectionsResponse:
        with self._as_a_server():
            return self._client.get_collections()

    def get_collection(self, name: str) -> models.CollectionInfo:
        with self._as_a_server():
            info = self._client.get_collection(name)
            info.payload_schema = {
                field: models.PayloadIndexInfo(data_type=_kind(schema), params=_params(schema), points=0)
                for field, schema in self._indexes[name].items()
            }
            if name in self._strict:
                strict = self._strict[name].model_dump()
                info.config.strict_mode_config = models.StrictModeConfigOutput(**strict)
            return info

    def create_collection(self, name: str, *, strict_mode_config: Any = None, **arguments: Any) -> bool:
        with self._as_a_server():
            done = self._client.create_collection(name, **arguments)
            if strict_mode_config is not None:
                self._strict[name] = strict_mode_config
            return done

    def update_collection(
        self,
        name: str,
        strict_mode_config: models.StrictModeConfig | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> bool:
        with self._as_a_server():
            self._client.get_collection(name)
            if strict_mode_config is not None:
                self._strict[name] = strict_mode_config
            return self._client.update_collection(name, metadata=metadata)

    def delete_collection(self, name: str) -> bool:
        with self._as_a_server():
            self._indexes.pop(name, None)
            self._strict.pop(name, None)
            self._dense.pop(name, None)
            return self._client.delete_collection(name)

    def create_payload_index(self, name: str, field: str, schema: Any, wait: bool = True) -> None:
        with self._as_a_server():
            self._client.get_collection(name)
            self._indexes[name][field] = schema

    def update_collection_aliases(self, operations: list[Any]) -> bool:
        with self._as_a_server():
            return self._client.update_collection_aliases(operations)

    def upsert(self, name: str, points: Any, **how: Any) -> models.UpdateResult:
        with self._as_a_server():
            done = self._client.upsert(name, points, **how)
            for point in points:
                self._dense[name][str(point.id)] = _unit_vectors(point)
            return done

    def delete(self, name: str, selector: models.FilterSelector, **how: Any) -> models.UpdateResult:
        with self._as_a_server():
            self._check(name, selector.filter)
            return self._client.delete(name, selector, **how)

    def remove(self, name: str, ids: list[Any]) -> None:
        """Nothing where there are no ids."""
        with self._as_a_server():
            self._client.delete(name, models.FilterSelector(filter=_of(ids)))

    def query_points(self, name: str, **request: Any) -> models.QueryResponse:
        with self._as_a_server():
            self._check(name, request.get("query_filter"))
            return self._client.query_points(name, **request)

    def retrieve(self, name: str, ids: list[Any], **what: Any) -> list[models.Record]:
        with self._as_a_server():
            return self._with_vectors(name, self._client.retrieve(name, ids, **what))

    def scroll(
        self, name: str, chosen: Any = None, limit: int = 10, **what: Any
    ) -> tuple[list[models.Record], Any]:
        with self._as_a_server():
            strict = self._strict.get(name)
            if strict is not None and limit > (strict.max_query_limit or limit):
                raise ValueError(f"Limit exceeded {limit} > {strict.max_query_limit} for limit")
            self._check(name, chosen)
            records, following = self._client.scroll(name, chosen, limit=limit, **what)
            return self._with_vectors(name, records), following

    def count(self, name: str, count_filter: Any = None, exact: bool = True) -> models.CountResult:
        with self._as_a_server():
            self._check(name, count_filter)
            return self._client.count(name, count_filter, exact=exact)

    def _with_vectors(self, name: str, records: list[models.Record]) -> list[models.Record]:
        """Local mode divides vectors by their length at each search, and so changes their last bits."""
        for record in records:
            if isinstance(record.vector, dict):
                kept = self._dense[name][str(record.id)]
                record.vector |= {field: kept[field] for field in record.vector if field in kept}
        return records

    def _check(self, name: str, chosen: models.Filter | None) -> None:
        strict = self._strict.get(name)
        if strict is None or strict.unindexed_filtering_retrieve is not False or chosen is None:
            return
        for condition in _conditions(chosen):
            schema = self._indexes[name].get(condition.key)
            kind = schema and _kind(schema)
            if kind is None or (condition.range is not None and kind not in _RANGED):
                raise ValueError(f'Index required but not found for "{condition.key}"')

    @contextmanager
    def _as_a_server(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except ValueError as error:
                raise _response(error) from error


def _response(error: ValueError) -> UnexpectedResponse:
    said = str(error)
    status = 404 if "not found" in said and "Index" not in said else 409 if "already exists" in said else 400
    return failed(status, said)


def failed(status: int, said: str) -> UnexpectedResponse:
    """A server's answer that is an error."""
    content = json.dumps({"status": {"error": said}}).encode()
    return UnexpectedResponse(status, httpx.codes.get_reason_phrase(status), content, httpx.Headers())


def _unit_vectors(point: models.PointStruct) -> dict[str, list[float]]:
    """The dense vectors as the server keeps them: of length 1, to a millionth, or else made so."""
    dense = {field: np.array(one, np.float32) for field, one in point.vector.items() if isinstance(one, list)}
    squares = {field: np.dot(vector, vector) for field, vector in dense.items()}
    return {
        field: (vector if abs(squares[field] - 1) <= _UNIT else vector / np.sqrt(squares[field])).tolist()
        for field, vector in dense.items()
    }


def _of(ids: list[Any]) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=ids)])


def _kind(schema: Any) -> str:
    kind = schema if isinstance(schema, models.PayloadSchemaType) else schema.type
    return str(kind.value)


def _params(schema: Any) -> Any:
    return None if isinstance(schema, models.PayloadSchemaType) else schema


def _conditions(chosen: models.Filter) -> Iterator[models.FieldCondition]:
    for clause in (chosen.must, chosen.must_not, chosen.should):
        for condition in clause or ():
            if isinstance(condition, models.Filter):
                yield from _conditions(condition)
            elif isinstance(condition, models.FieldCondition):
                yield condition
