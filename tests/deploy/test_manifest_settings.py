"""The settings that deploy/k8s gives to each container are known, fit together, and let its part run."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from cli.supervisor.container import choose
from rag.errors import ConfigurationError
from rag.settings import Settings
from rag.settings.loading import examine
from rag.settings.sources import read
from tests.deploy.manifests import (
    COMPONENT,
    EXAMPLE,
    LANE,
    OPTIONAL,
    OURS,
    OVERLAYS,
    Object,
    Rendered,
    Workload,
    every_overlay,
    overlay,
    quantity,
    variables,
    with_component,
)

SEED = frozenset(
    {
        *("LOG_LEVEL", "ENVIRONMENT", "DEBUG", "API_HOST", "API_PORT", "API_WORKERS", "API_TIMEOUT"),
        *("COLLECTION_NAME", "TOP_K_RETRIEVAL", "TOP_K_RERANK", "CORS_ORIGINS", "CACHE_TTL_SECONDS"),
        *("RATE_LIMIT_REQUESTS_PER_MINUTE", "CONNECTION_POOL_SIZE", "MAX_CONCURRENT_REQUESTS"),
        *("PROMETHEUS_METRICS_ENABLED", "TRACING_ENABLED"),
    }
)
BY_PARTS = frozenset(
    {
        *("QDRANT_URL", "OLLAMA_URL", "OLLAMA_MODEL", "BLOB_URL", "BACKUP_URL"),
        *("EMBEDDING_MODEL", "RERANKER_MODEL", "VECTOR_SIZE"),
    }
)
"""What components add, where the role is on a server."""

ELSEWHERE = ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""What the clouds' library reads, and no setting of ours."""


class Filesystem:
    """A folder that has the files of the example's Secret where a container has them mounted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secrets: Mapping[str, str] = yaml.safe_load(EXAMPLE.read_text())["stringData"]

    def mount(self, work: Workload) -> None:
        """Write the files that the main container mounts from the Secret, and no others."""
        volumes = {each["name"]: each for each in work.pod["volumes"]}
        for mounted in work.main["volumeMounts"]:
            for item in volumes[mounted["name"]].get("secret", {}).get("items", ()):
                file = self.path(work, f"{mounted['mountPath']}/{item['path']}")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch(mode=0o600)
                file.write_text(self._secrets[item["key"]])

    def path(self, work: Workload, path: str) -> Path:
        return self._folder / work.name / path.lstrip("/")

    def environment(self, work: Workload, config: Mapping[str, str]) -> dict[str, str]:
        """The container's variables, with the image's own, and files where they are here."""
        found = {"AEGIS_CONFIG": "none", "AEGIS_HOME": "/data", "API_HOST": "0.0.0.0"}
        for name, value in variables(work.main, config):
            if isinstance(value, dict):
                found[name] = self._secrets[value["secretKeyRef"]["key"]]
            elif value and name.endswith("_FILE"):
                found[name] = str(self.path(work, value))
            else:
                found[name] = value
        return found


def settings_of(work: Workload, rendered: Rendered, folder: Path) -> Settings:
    """The settings with which the container starts. AssertionError for whatever is wrong or looks so."""
    files = Filesystem(folder)
    files.mount(work)
    reading = read(Settings, files.environment(work, rendered.config))
    settings, lines = examine(reading)
    assert (lines, reading.warnings) == ([], ()), work.name
    assert settings is not None
    return settings


def ours(rendered: Rendered) -> list[Workload]:
    return [work for work in rendered.workloads if work.component in OURS]


def parts_start(rendered: Rendered, folder: Path) -> None:
    for work in ours(rendered):
        settings = settings_of(work, rendered, folder)
        assert choose(work.main["args"], settings).name == work.main["args"][0]


@every_overlay
def test_every_part_has_settings_with_which_it_starts(name: str, tmp_path: Path) -> None:
    parts_start(overlay(name), tmp_path)


@pytest.mark.parametrize("component", sorted(OPTIONAL))
def test_parts_start_with_an_optional_component(component: str, tmp_path: Path) -> None:
    parts_start(with_component(*OPTIONAL[component]), tmp_path)


@every_overlay
def test_every_variable_is_a_setting(name: str) -> None:
    known = {field.upper() for field in Settings.model_fields}
    for work in ours(overlay(name)):
        names = {each for each, _ in variables(work.main, overlay(name).config)}
        unknown = {each for each in names - set(ELSEWHERE) if each.removesuffix("_FILE") not in known}
        assert unknown == set(), work.name


@every_overlay
def test_the_config_map_has_the_operators_variables(name: str) -> None:
    parts = set() if name == "embedded" else BY_PARTS

    assert SEED | parts <= overlay(name).config.keys()


def test_without_its_keys_the_api_would_not_start(tmp_path: Path) -> None:
    rendered = overlay("minimum")
    work = rendered.workload("aegis-api")
    files = Filesystem(tmp_path)
    files.mount(work)
    environment = files.environment(work, rendered.config)
    del environment["API_KEYS_FILE"]
    settings, _ = examine(read(Settings, environment))

    assert settings is not None
    with pytest.raises(ConfigurationError, match="API_KEYS"):
        choose(["api"], settings)


@pytest.mark.parametrize("name", [name for name in OVERLAYS if name != "embedded"])
def test_a_key_is_mounted_only_where_it_is_used(name: str) -> None:
    holders = {
        "qdrant-api-key": {"parse", "ocr", "embed", "index", "rerank", "maintenance", "backup"},
        "jina-api-key": {"embed", "embed-query", "rerank"},
        "backup-key": {"api", "maintenance", "backup"},
        "api-keys": {"api"},
        "flower-basic-auth": {"flower"},
    }
    for key, expected in holders.items():
        found = {_who(work) for work in ours(overlay(name)) if key in _keys(work)}
        assert found == expected, key


def _who(work: Workload) -> str:
    return work.labels.get(LANE, work.labels[COMPONENT])


def _keys(work: Workload) -> set[str]:
    return {
        item["key"] for volume in work.pod["volumes"] for item in volume.get("secret", {}).get("items", ())
    }


@every_overlay
def test_a_worker_reaches_its_own_limit_before_the_container_does(name: str, tmp_path: Path) -> None:
    for work in ours(overlay(name)):
        if work.component == "worker":
            settings = settings_of(work, overlay(name), tmp_path)
            beside = {"parse": settings.parse_memory_mb, "ocr": settings.ocr_memory_mb}
            most = settings.worker_memory_mb + beside.get(work.labels[LANE], 0)
            assert most * 2**20 < _limit(work.main), work.name


@every_overlay
def test_bodies_have_room_in_the_folder_where_they_are_received(name: str, tmp_path: Path) -> None:
    work = overlay(name).workload("aegis-api")
    settings = settings_of(work, overlay(name), tmp_path)
    (tmp,) = [volume["emptyDir"] for volume in work.pod["volumes"] if volume["name"] == "tmp"]

    assert settings.api_processes * 2 * settings.bodies_mb * 2**20 <= quantity(tmp["sizeLimit"])


def _limit(container: Object) -> float:
    return quantity(container["resources"]["limits"]["memory"])
