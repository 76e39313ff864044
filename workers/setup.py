"""Builds the bundled models, and tells which of them the settings need."""

# ruff: noqa: PLC0415 - a build loads what the supervisor must not

from collections.abc import Callable
from pathlib import Path

from rag.settings import Settings
from workers.bundled.models import CROSS_ENCODER, E5, MINILM
from workers.bundled.release import Release


def needed_models(settings: Settings) -> tuple[Release, ...]:
    """MiniLM always: collections that it embedded may be there. The others where they are chosen."""
    embedding = (E5,) if settings.embedding_name == E5.name else ()
    reranking = (CROSS_ENCODER,) if settings.reranked_by == "bundled" else ()
    return (MINILM, *embedding, *reranking)


def missing_models(settings: Settings, model_dir: Path) -> list[Release]:
    """Those that are needed, and not built, or not whole, under ``model_dir``."""
    return [release for release in needed_models(settings) if not release.files(model_dir).complete()]


def build_models(settings: Settings, model_dir: Path, report: Callable[[str], None]) -> None:
    """Build what is missing. ``report`` takes a line at each step. Raises ModelError as each build does."""
    from workers.embedding import build as embedding
    from workers.embedding.e5 import build as e5
    from workers.reranking.cross_encoder import build as cross_encoder

    builds = {MINILM.name: embedding.build, E5.name: e5.build, CROSS_ENCODER.name: cross_encoder.build}
    for release in missing_models(settings, model_dir):
        builds[release.name](model_dir, report)
