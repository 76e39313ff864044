"""Whatever sees foreign text takes time that grows with its length, and no faster.

A grid of beginnings and of units, repeated, is given to every function that reads documents, questions,
titles, models' words, addresses, names or filters, and to every expression by itself. A module with
expressions that is in neither of the two tables below fails.
"""

import ast
import importlib
import io
import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any
from xml.sax.saxutils import escape

import httpx
import numpy as np
import pytest
from rich.console import Console
from starlette.exceptions import HTTPException
from tokenizers import Tokenizer

from api import middleware
from api.calls import waiting
from api.incoming import jsontext, multipart
from api.routes import events as api_events
from cli.commands.logs import entries_of
from cli.evaluation import collections
from cli.evaluation import wording as wording_of_answers
from cli.evaluation.readers import table
from cli.supervisor.display import Display
from cli.supervisor.flower import formatter
from cli.supervisor.logs import LogFile, Output, Severity, reformat_redis_line
from rag import filters, media, naming
from rag.access import keys
from rag.blobs import store
from rag.errors import AegisError, without_credentials
from rag.fetching import description, urls
from rag.jobs import events, scripts
from rag.model import Candidate, Embedding, Hit, ParsedDocument, Passage
from rag.model.bounds import bounded
from rag.parsing import (
    charsets,
    decoding,
    definitions,
    docx,
    docx_body,
    docx_numbering,
    figures,
    heads,
    kerning,
    layout,
    ligatures,
    losses,
    mail,
    markdown_tables,
    number_formats,
    odt,
    page_pictures,
    picture_marks,
    plain,
    pptx_tables,
    records,
    running_heads,
    sheets,
    structure,
    tables,
    textlayer,
    webpage,
)
from rag.parsing.fork_server import places_of
from rag.parsing.inner_pictures import InnerPictures
from rag.parsing.recognition import RecognisedPage
from rag.parsing.textlines import Cell, Line
from rag.ports import GenerationRequest
from rag.redis import audit
from rag.settings import Settings, configuration, foreign, texts, wording
from rag.settings.configuration import Found
from rag.system import printable
from rag.text import (
    asking,
    identifiers,
    inert,
    languages,
    lexical,
    mentions,
    normalising,
    pinned,
    questions,
    sentences,
    spelling,
    titles,
    words,
)
from rag.text import scripts as scripts_of_text
from rag.text.chunking import TokenChunker
from rag.vectors import payload
from rag.web import addresses, parameters
from tasks.reindex.comparison import Sample
from workers.embedding import minilm
from workers.embedding.e5 import tokenizer as e5_tokenizer
from workers.generation import comparison, expectation, prompting, rows, statements
from workers.generation import words as words_of_answers
from workers.generation.extractive import ExtractiveGenerator
from workers.generation.reasoning import Piece, ReasoningParser
from workers.jina import errors as jina_errors
from workers.recognition.scripts import has_unknown_letters
from workers.reranking import pins

ROOT = Path(__file__).parents[2]
PARTS = ("rag", "tasks", "workers", "beat", "api", "cli")

BEGINNINGS = ("", "|", "# a", "<", "[1", "a\n", "```\n", '---\ntitle: "')
UNITS = (
    *(" ", "\n", "\n\n", "\t", "\u00a0", "\u200b", " \n", "-", "-\n", "=\n", "|", "|-", "|a", "|a|\n", ":"),
    *(": ", "*", "**", "**a", "*a ", "_a_", "__a", "***a ", "`", "``a", "```\n", "~~~\n", ">", "> ", "\n>"),
    *("#", "# a\n", "[", "]", "[[1]", "[a](", '[a](b "', "[1", "[1,", "1", "1,", "1 and ", "(", "<", "<b "),
    *("</", "< ", "<!", "\\", "\n1. ", "\n- ", "• ", "a", "a ", "a.", "a. B ", "A. ", "Mr. ", "y", "“", "'"),
    *('"', "!", "...", "a\n", "a\n\n", "\u0301", "\u0327\u0301", "\ufdfa", "\ud55c", "\u1160", "中", "中。"),
    *("\u0e01", "\u0915\u093f", "\U0001f600", "x" * 50 + " ", "a-\n", "@a.b ", "http://a/", "3.5", "/../"),
    *("a=b;", "&amp;", "{", '{"a":', "title:\n", "\u202e"),
)
LENGTH = 2_000
FAST = 0.008  # seconds of processor time in which nothing that grows too fast ends
SLOWEST = 2.0
GROWTH = 9.0  # for four times the text: 4 is linear, 16 a square

Reads = Callable[[str], object]


def passage(text: str) -> Passage:
    return Passage("c", "d", 1, 0, text, text, 0, len(text), headings=(text,))


def asked(text: str) -> None:
    """A question about passages, answered by quoting and put to a model."""
    hits = bounded([Hit(passage(text), 0.9)])
    query = Embedding(np.zeros(4, np.float32))
    ExtractiveGenerator(min_relevance=0).answer(
        GenerationRequest(text, query, tuple(map(Candidate, hits)), lambda _: None, lambda: False)
    )


def line_of(text: str, number: int = 0) -> Line:
    """A line of a page, each word of which is a cell."""
    words = text.split() or [text]
    cells = (
        Cell(60.0 * n, -12.0 * number, 60.0 * n + 30, 10 - 12.0 * number, w) for n, w in enumerate(words)
    )
    return Line(text, tuple(cells))


def shown(text: str) -> None:
    hit = Hit(passage(text), 0.5)
    prompting.prompt(text, [hit], budget=200_000, count=len)
    prompting.prompt("?", [hit], budget=100, count=lambda piece: len(piece.split()))


def said(text: str) -> None:
    answer = ReasoningParser([Hit(passage("words"), 0.5)], "tiny")
    for start in range(0, len(text), 7):
        answer.feed(Piece(text[start : start + 7]))
    answer.close()


@cache
def tokenizer() -> Any:
    return minilm.tokenizer()


@cache
def unigrams() -> Any:
    """Pieces of up to four letters, so that a text can be cut in many ways."""
    pieces = [(piece * count, -float(count)) for piece in "ab1 .▁" for count in range(1, 5)]
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    return Tokenizer.from_buffer(e5_tokenizer.tokenizer_file([*special, *pieces]))


def cut(text: str) -> None:
    """The tokenizer, which is not quick, is tried by itself."""
    TokenChunker(lambda piece: len(piece.split()), 50).chunk(structure.from_markdown(text))


def written_as(text: str) -> None:
    """A paragraph's number, in the form that a level states."""
    levels = {0: docx_numbering.Level(text=text)}
    numbering = docx_numbering.Numbering({"1": docx_numbering.Instance("1", levels, {})}, {})
    numbering.number_of(docx_numbering.Place("1", 0), "")


def printed(text: str) -> None:
    severity = Severity()
    severity.severe("Traceback (most recent call last)")
    for line in text.split("\n"):
        severity.severe(line)


def displayed(text: str) -> None:
    Display(Console(file=io.StringIO(), highlight=False, soft_wrap=True)).show_line(
        "api", f"{text} api {text}"
    )


def as_bytes(reads: Callable[[bytes], object]) -> Reads:
    return lambda text: reads(text.encode("utf-8", "replace"))


def fetched(text: str) -> None:
    headers = {
        "content-type": text,
        "content-disposition": f"attachment; filename={text}",
        "retry-after": text,
    }
    description.described(urls.target_of("http://a.test/b"), headers, bytearray(b"text"))
    description.retry_after(headers)


def sent(text: str) -> None:
    """The body of a request, weighed before it is parsed."""
    with suppress(jsontext.TooMuch):
        jsontext.scan(io.BytesIO(text.encode("utf-8", "replace")), io.BytesIO())
    with suppress(jsontext.TooMuch):
        jsontext.scan(io.BytesIO(json.dumps({"text": text}).encode()), io.BytesIO())


def form(text: str) -> None:
    """The body of a form, whose boundary it is full of, and a part's header."""
    data = text.encode("utf-8", "replace")
    body = b"--b\r\n" + data + b"\r\n\r\n" + (b"\r\n--" + data) * 4 + b"\r\n--b--"
    with suppress(HTTPException):
        form = multipart.Multipart(io.BytesIO(body), "multipart/form-data; boundary=b")
        form.next_part()
        list(form.content())
    with suppress(HTTPException):
        multipart.parameters(b"form-data; name=" + data)


COVERED: Mapping[str, Mapping[str, Reads]] = {
    "rag.text.sentences": {
        "sentences": sentences.sentences,
        **{f"readable {kind}": partial(sentences.readable, kind=kind) for kind in sentences.Kind},
    },
    "rag.text.languages": {"language": languages.language_of, "asked": languages.asked_languages},
    "rag.text.identifiers": {"named": lambda text: identifiers.named_in(text, words.runs(text))},
    "rag.text.pinned": {"question": pinned.pinned_terms},
    "rag.text.mentions": {
        "forms": lambda text: mentions.mentions_of.__wrapped__(text).forms,
        "families": lambda text: mentions.mentions_of.__wrapped__(text).families,
    },
    "rag.text.scripts": {"vote": scripts_of_text.model_vote, "other": scripts_of_text.other_scripts},
    "rag.text.words": {
        "capitals": words.capital_stop_words,
        "size": lambda text: [*map(words.words_in, words.runs(text))],
    },
    "rag.text.blocks": {"chunks": cut},
    "rag.text.lexical": {
        "passage": lexical.encode_passage,
        "question": lexical.encode_question,
        "stem": lexical.stem,
    },
    "rag.text.normalising": {
        "NFC": partial(normalising.normalised_form, "NFC"),
        "folded": normalising.folded,
    },
    "workers.generation.prompting": {"prompt": shown},
    "rag.media": {"type": lambda text: media.media_type_of(text, text, text.encode("utf-8", "replace"))},
    "rag.naming": {
        "collection": naming.checked_collection_name,
        "document": naming.checked_document_id,
        "file": naming.document_id_of_file,
        "names": lambda text: naming.document_id_of_names([text], composed=False),
        "second": lambda text: naming.second_document_id(text or "x", "digest"),
        "store": lambda text: naming.generation_of(text, "docs"),
    },
    "rag.filters": {
        "filter": lambda text: filters.parse({text: {"gte": text, "lt": text}}),
        "facts": lambda text: filters.facts_of(text, text, {text: {text: [text, text]}}),
    },
    "rag.web.addresses": {
        "host": addresses.host_of,
    },
    "rag.errors": {"message": lambda text: without_credentials(f"http://{text}")},
    "rag.fetching.description": {"headers": fetched, "name": description.clean_name},
    "rag.fetching.urls": {
        "address": lambda text: urls.target_of(f"http://{text}"),
        "message": lambda text: urls.redacted(f"http://{text}"),
    },
    "rag.text.inert": {"answer": lambda text: inert.InertText().feed(text)},
    "rag.access.keys": {"key": keys.id_of},
    "rag.system.printable": {"line": printable.one_line, "json": printable.steering_to_json},
    "rag.redis.audit": {"cursor": audit._CURSOR.match},
    "rag.jobs.scripts": {"job id": scripts.JOB_ID.match},
    "api.incoming.jsontext": {"body": sent},
    "api.incoming.multipart": {"form": form},
    "rag.parsing.decoding": {
        "decoded": as_bytes(decoding.decoded),
        "normalised": decoding.normalised,
        "clean": decoding.is_clean,
    },
    "rag.parsing.charsets": {
        "guess": lambda text: charsets.decode_by_guess(text.encode("cp1252", "replace"))
    },
    "rag.parsing.docx": {
        "head": lambda text: list(docx._paragraphs(f"<w>{escape(text)}</w>".encode())),
        "styles": lambda text: docx._used(f'<w:style w:type="table" {text}'.encode()),
    },
    "rag.parsing.docx_body": {"numbers": docx_body.with_numbers},
    "rag.parsing.docx_numbering": {"form": written_as},
    "rag.parsing.inner_pictures": {"images": InnerPictures(lambda _: b"").marked},
    "rag.parsing.pptx_tables": {
        "slide": lambda text: pptx_tables.MarkedTables(b"", ["| a |"]).placed(f"| \ue0120\ue013{text}"),
        "part": pptx_tables._SLIDE.fullmatch,
    },
    "rag.parsing.ligatures": {
        "page": lambda text: ligatures.with_ligatures(text, text, ligatures.words_of([text])),
    },
    "rag.parsing.picture_marks": {
        "marks": lambda text: picture_marks.placed(
            ParsedDocument(f"{picture_marks.mark_of(0)}{text}"), {0: RecognisedPage(text[:20], 1.0)}
        ),
    },
    "rag.parsing.page_pictures": {
        "page": lambda text: page_pictures.marked(
            text, [(0, page_pictures.PagePicture((0, 0, 9, 9), "", text[:100]))]
        ),
    },
    "rag.parsing.odt": {"escaped": odt.escaped},
    "workers.recognition.scripts": {"line": has_unknown_letters},
    "rag.parsing.markdown_tables": {
        "table": lambda text: markdown_tables.TableWriter().write(f"|{text}|\n|-|\n|{text}|\n{text}"),
        "text": lambda text: markdown_tables.TableWriter(stated=True).write(text),
    },
    "rag.parsing.number_formats": {
        "code": lambda text: number_formats.shown("1234.5", text),
        "value": lambda text: number_formats.shown(f"1{text}", "0.00"),
    },
    "rag.parsing.sheets": {
        "cell": sheets.place_of,
        "merged": as_bytes(lambda text: sheets.merged_rows(io.BytesIO(b"<mergeCells>" + text))),
    },
    "rag.parsing.heads": {
        "rows": lambda text: heads.head_of([text.split("\n")] * 3),
        "cells": lambda text: heads.head_of([[text, text], [text, "1"], [text, "a"]]),
    },
    "rag.parsing.kerning": {"page": lambda text: kerning.Words.of(text).mend(text)},
    "rag.parsing.running_heads": {
        "pages": lambda text: running_heads.without_running_heads([(n, text) for n in range(1, 5)]),
        "edges": lambda text: running_heads.without_running_heads([(n, text[:150]) for n in range(1, 50)]),
    },
    "rag.parsing.textlayer": {"page": textlayer.joined, "file": as_bytes(textlayer.may_have_pictures)},
    "rag.parsing.losses": {
        "lost": lambda text: losses.lost_words(text, text[:100]),
        "damaged": losses.damaged_words,
        "others": lambda text: losses.has_others(text[:100], text),
    },
    "rag.parsing.figures": {"row": lambda text: figures.is_row(line_of(text))},
    "rag.parsing.layout": {
        "lines": lambda text: layout.arranged(
            [line_of(words, n) for n, words in enumerate(text.split("\n"))]
        ),
        "table": lambda text: layout.arranged(
            [line_of(f"{text[:20]} 1 2", n) for n in range(len(text) // 8)]
        ),
    },
    "rag.parsing.structure": {
        "headings": lambda text: list(structure.headings_of(text)),
        "prose": structure.prose,
        "escaped": structure.from_escaped,
        "title": structure.usable_title,
    },
    "rag.web.parameters": {
        "words": parameters.decoded_words,
        "sections": lambda text: parameters.combined(
            [(text, b""), (f"{text}*0*", text.encode(errors="replace"))]
        ),
    },
    "rag.text.questions": {"core": questions.core_of},
    "rag.text.asking": {"question": asking.without_asking, "content": asking.has_content},
    "rag.text.spelling": {
        "question": partial(spelling.spelled_like, ["a caretaker"]),
        "passage": lambda text: spelling.spelled_like([text], "the carteaker"),
    },
    "rag.text.titles": {"file": titles.title_of_file_name, "title": titles.usable_title},
    "rag.parsing.plain": {"text": as_bytes(plain.text), "markdown": as_bytes(plain.markdown)},
    "rag.parsing.tables": {"table": as_bytes(tables.table)},
    "rag.parsing.records": {
        "json": as_bytes(records.json_document),
        "json lines": as_bytes(records.json_lines),
        "json of text": lambda text: records.json_document(
            json.dumps({"title": text, text: [text]}).encode()
        ),
    },
    "rag.parsing.webpage": {"html": as_bytes(webpage.html)},
    "rag.parsing.definitions": {
        "marks": lambda text: definitions.with_definitions(
            ParsedDocument("".join(f"\ue000{word}\ue001\ue002\n\n{word}\ue003" for word in text.split(" ")))
        ),
        "list": lambda text: webpage.from_html(f"<dl><dt>{text}<dd>{text}</dl>"),
    },
    "rag.parsing.mail": {
        "mail": as_bytes(mail.mail),
        "subject": lambda text: mail.mail(f"Subject: {text[:300]}\n\n{text}".encode("utf-8", "replace")),
    },
    "rag.settings.configuration": {
        "lines": lambda text: configuration._parse_lines(Found(".env", Path()), text),
        "value": lambda text: configuration._parse_lines(Found(".env", Path()), f"API_HOST={text}"),
    },
    "rag.settings.foreign": {
        "value": lambda text: foreign.is_foreign("api_port", text),
        "name": lambda text: foreign.misspelt([text.upper()], Settings.model_fields, ()),
    },
    "rag.settings.texts": {
        "list": lambda text: texts.value_of("cors_origins", Settings.model_fields["cors_origins"], text)
    },
    "rag.settings.wording": {"told": lambda text: wording.shown(f"http://{text}")},
    "rag.blobs.store": {"key": store._usable},
    "rag.jobs.events": {"event id": events._EVENT_ID.match},
    "rag.vectors.payload": {"payload": lambda text: payload.payload_of(passage(text))},
    "tasks.reindex.comparison": {"sample": lambda text: Sample().with_passages([passage(text)])},
    "workers.generation.expectation": {
        "expected": expectation.expected,
        "held": lambda text: [expectation.holds(text, each, frozenset()) for each in expectation.Expectation],
    },
    "workers.generation.agreement": {"answer": asked},
    "workers.generation.comparison": {"compared": comparison.comparison_of},
    "workers.generation.completion": {"answer": asked},
    "workers.generation.quotes": {"answer": asked, "content words": words_of_answers.content_words},
    "workers.generation.rows": {"cells": rows.cells_of},
    "workers.generation.scoring": {"answer": asked},
    "workers.generation.statements": {"statements": statements.statements},
    "workers.generation.reasoning": {"a model's words": said},
    "workers.reranking.pins": {
        "question": lambda text: pins.pinned_shares(f"The latest {text}", [passage(text)], ()),
        "name": pins._period,
    },
    "workers.embedding.minilm": {"tokens": lambda text: minilm.token_spans(tokenizer(), text)},
    "workers.embedding.e5.tokenizer": {
        "tokens": lambda text: e5_tokenizer.token_ids(unigrams(), "passage", text)
    },
    "workers.jina.errors": {
        "error": lambda text: jina_errors.error_of("http://a", httpx.Response(400, text=text))
    },
    "api.middleware": {"request id": middleware._SOUND_ID.match},
    "api.routes.events": {"last event": api_events._ID.match},
    "api.calls.waiting": {"prefer": lambda text: waiting.preferred_wait([text])},
    "cli.evaluation.collections": {"name": lambda text: collections.name_at_api(text, ())},
    "cli.evaluation.readers.table": {"answer": table.needs_of_answer},
    "cli.evaluation.wording": {
        "plain": wording_of_answers.normalised,
        "held": lambda text: wording_of_answers.holds(text, text[:100]),
    },
    "cli.supervisor.display": {"line": displayed},
    "cli.supervisor.flower": {
        "task": lambda text: formatter("http://127.0.0.1")(SimpleNamespace(uuid=text, args=""))
    },
    "rag.parsing.fork_server": {"places": places_of},
    "cli.supervisor.logs": {
        "severity": printed,
        "line": as_bytes(lambda line: reformat_redis_line("broker", line)),
        "server's": as_bytes(
            lambda rest: reformat_redis_line("broker", b"1:M 30 Nov 2026 06:00:00.000 * " + rest)
        ),
    },
    "cli.commands.logs": {"entries": lambda text: list(entries_of("api", [text.encode("utf-8", "replace")]))},
}

EXEMPT: Mapping[str, str] = {
    "rag.parsing.column_heads": "looks at short cells only; layout, above, goes through it",
    "rag.parsing.textlines": "cuts a page's text at line ends and blanks, and is tried by itself below",
    "workers.recognition.ppocr": "looks for one character of a set in a recognised line",
    "rag.parsing.office": "reads at most 1 MiB of an archive's list by it; it is tried by itself below",
    "rag.parsing.pptx": "tells names of parts in the list of an archive, at most 10,000",
    "rag.parsing.pdf": "its expressions read a page's text, and are tried by themselves below",
    "rag.redis.lua": "takes our own scripts apart",
    "rag.redis.embedded": "reads 1,000 characters that a program of the system's says",
    "rag.settings.loading": "looks for names of settings in lines of ours",
    "rag.settings.checks": "reads the operator's own settings",
    "rag.backups.objects": "reads names of files that we wrote",
    "api.description": "takes the names of our own classes apart",
    "workers.embedding.jina": "looks for a word in the message of an error of ours",
}


def modules_with_expressions() -> Iterator[str]:
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.py")):
            if any(map(_imports_re, ast.walk(ast.parse(path.read_text())))):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


def path_of(module: str) -> Path:
    return (ROOT / module.replace(".", "/")).with_suffix(".py")


def uses_of(name: str, source: str) -> set[str]:
    """The ways in which a module uses an expression; those that replace and split go over all of a text."""
    found = set(re.findall(rf"\b{name}\.(\w+)", source))
    alone = found & {"match", "fullmatch", "search"}
    return alone | {"findall"} if found & {"findall", "finditer", "split", "sub"} else alone or {"search"}


def _imports_re(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(each.name in ("re", "regex") for each in node.names)
    return isinstance(node, ast.ImportFrom) and node.module in ("re", "regex")


def expressions_of(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, Mapping):
        yield from expressions_of(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from expressions_of(each)


class TooSlowError(Exception):
    """A call took longer than ``SLOWEST``."""


def _stop(*_: object) -> None:
    raise TooSlowError


def seconds(reads: Callable[[Any], object], text: str | bytes) -> float:
    """Processor time of a call; what the text's owner has done wrong is no matter here."""
    signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SLOWEST)
    started = process_time()
    try:
        with suppress(AegisError, ValueError, httpx.InvalidURL):
            reads(text)
    except TooSlowError:
        return SLOWEST
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return process_time() - started


def grows_too_fast(reads: Reads, beginning: str, unit: str) -> bool:
    def text(length: int) -> str:
        return beginning + unit * (length // len(unit)) + "x"

    first = seconds(reads, text(LENGTH))
    if first < FAST:
        return False
    for _ in range(3):  # a busy machine is no reason
        more = SLOWEST if first >= SLOWEST else seconds(reads, text(4 * LENGTH))
        if more >= SLOWEST:
            return True
        if more < GROWTH * max(first, FAST):
            return False
        first = min(seconds(reads, text(LENGTH)), seconds(reads, text(LENGTH)))
    return True


def offences(reads: Reads) -> list[tuple[str, str]]:
    return [(one, unit) for one in BEGINNINGS for unit in UNITS if grows_too_fast(reads, one, unit)]


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, functions in COVERED.items() for name in functions]
)
def test_a_function_takes_time_that_grows_with_its_text(module: str, name: str) -> None:
    with suppress(AegisError, ValueError):
        COVERED[module][name]("warm up")

    assert offences(COVERED[module][name]) == []


@pytest.mark.parametrize("module", list(modules_with_expressions()))
def test_an_expression_takes_time_that_grows_with_its_text(module: str) -> None:
    source = path_of(module).read_text()
    for name, value in vars(importlib.import_module(module)).items():
        for expression in expressions_of(value):
            for use in uses_of(name, source):
                call = getattr(expression, use)
                reads = as_bytes(call) if isinstance(expression.pattern, bytes) else call

                assert (name, use, offences(reads)) == (name, use, [])


def test_every_module_with_expressions_is_in_a_table() -> None:
    modules = set(modules_with_expressions())

    assert modules - set(COVERED) - set(EXEMPT) == set(), "new: add what reads foreign text to COVERED"
    assert set(EXEMPT) - modules == set(), "no longer has expressions"
    assert set(EXEMPT) & set(COVERED) == set()


def test_the_grid_finds_what_grows_too_fast() -> None:
    """The rule of a table that was cubic, and the mark that was exponential."""
    rule = re.compile(r"\s*(=+|-{2,}|\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*)\s*\Z")
    mark = re.compile(r"\[\s*\d{1,3}(?:\s*(?:[,;&]|and)?\s*\d{1,3})*\s*\]")

    assert grows_too_fast(rule.match, "", "|-")
    assert grows_too_fast(mark.match, "[1", "1")


def test_no_expression_is_made_outside_a_module() -> None:
    """Where it would be tried by nobody: ``re.sub(r"…", …)`` and the like within a function."""
    makers = {"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
    found = [
        f"{module}:{node.lineno}"
        for module in modules_with_expressions()
        for node in ast.walk(ast.parse(path_of(module).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in makers
    ]

    assert found == []


@pytest.mark.parametrize("name", ["To", "Subject", "Date", "Content-Type"])
@pytest.mark.parametrize("unit", ['"', "1,", "a ", "<a@b>,"])
def test_a_header_without_end_costs_no_more_than_its_beginning(name: str, unit: str) -> None:
    message = f"{name}: {unit * (300_000 // len(unit))}\nFrom: ada@example.org\n\nbody".encode()

    assert seconds(mail.mail, message) < SLOWEST


def test_a_line_without_end_costs_the_output_of_a_part_no_more_than_its_length(tmp_path: Path) -> None:
    lines: list[str] = []
    output = Output(LogFile(tmp_path, "part"), lines.append, verbose=True)

    started = process_time()
    for _ in range(2_000):
        output.feed(b"x" * 4_096)
    output.end()

    assert process_time() - started < 2
    assert sum(map(len, lines)) == 2_000 * 4_096
