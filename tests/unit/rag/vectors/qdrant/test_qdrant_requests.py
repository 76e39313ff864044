"""What the Qdrant store asks for: tenants' filters, strict mode's limits, and how collections are made."""

import pytest
from qdrant_client import models

from rag.filters import parse
from rag.model import CollectionSpec, DocumentVersion
from rag.settings import Settings
from rag.vectors.qdrant.layouts import Layout, Limits, creation
from rag.vectors.qdrant.queries import compared_fields, filter_of

LAYOUT = Layout(CollectionSpec(4), "customer", frozenset(), Limits(64, 1000, 2, 64))


def test_equality_with_the_tenant_field_uses_the_tenant_index() -> None:
    chosen = filter_of(parse({"customer": "acme", "lang": "en"}), (), LAYOUT)

    assert [condition.key for condition in chosen.must] == ["tenant", "terms"]
    assert chosen.must[0].match.any == ['customer="acme"']


def test_long_lists_are_cut_to_what_one_condition_may_hold() -> None:
    stale = [DocumentVersion(f"d{number}", 1) for number in range(5)]

    chosen = filter_of(parse({"lang": ["en", "de", "fr"]}), stale, LAYOUT)

    assert [len(part.match.any) for part in chosen.must[0].should] == [2, 1]
    assert [len(part.match.any) for part in chosen.must_not] == [2, 2, 1]


def test_ranges_name_the_fields_that_must_be_indexed() -> None:
    conditions = parse(
        {"year": {"gte": 1}, "issued": {"lt": "2024-05-01"}, "odd key": {"gt": 1}, "lang": "en"}
    )

    assert compared_fields(conditions) == ("numbers.year", "dates.issued", 'numbers."odd key"')


def test_settings_shape_a_collection() -> None:
    settings = Settings(
        qdrant_shards=6,
        qdrant_replication_factor=3,
        qdrant_write_consistency_factor=2,
        qdrant_hnsw_m=8,
        qdrant_hnsw_ef_construct=50,
        qdrant_on_disk=True,
    )

    made = creation(settings, "docs-1", CollectionSpec(384, 64))

    spread = made["shard_number"], made["replication_factor"], made["write_consistency_factor"]
    assert spread == (6, 3, 2)
    assert (made["hnsw_config"].m, made["hnsw_config"].ef_construct) == (8, 50)
    (dense,) = made["vectors_config"].values()
    assert (dense.size, dense.on_disk, made["on_disk_payload"]) == (384, True, True)
    assert made["sparse_vectors_config"]["lexical"].modifier is models.Modifier.IDF


@pytest.mark.parametrize(
    ("name", "kind"),
    [("none", type(None)), ("scalar", models.ScalarQuantization), ("binary", models.BinaryQuantization)],
)
def test_dense_vectors_are_compressed_as_asked(name: str, kind: type) -> None:
    settings = Settings(qdrant_quantization=name)
    vectors = creation(settings, "docs-1", CollectionSpec(384, 64))["vectors_config"]

    assert isinstance(vectors["dense"].quantization_config, kind)
