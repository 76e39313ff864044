"""Generators: ``extractive`` by default, or a model behind Ollama or an OpenAI-compatible server."""

# ruff: noqa: PLC0415 - each generator and its runtime are imported only where they are chosen

from rag.ports import Generator
from rag.settings import Settings
from workers.reranking import unrelated_below


def generator_for(settings: Settings) -> Generator:
    """The generator that the settings choose; its runtime is imported here, not before."""
    match settings.answered_by:
        case "extractive":
            from workers.generation import extractive

            return extractive.generator(unrelated_below(settings), settings.context_metadata)
        case "smollm2":
            from workers.generation import smollm2

            return smollm2.generator(settings)
        case "ollama":
            from workers.generation import ollama

            return ollama.generator(settings)
        case "openai":
            from workers.generation import openai

            return openai.generator(settings)
