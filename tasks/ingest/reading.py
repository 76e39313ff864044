"""How a source is read: by the parser, or in another lane by one that recognises pictures of text too."""

from rag.errors import NotRecognised
from rag.media import PDF, PICTURES
from rag.model import CutDocument, Document, Stage, WarningKind
from tasks.ingest.sources import Source
from tasks.stages.run import Next, StageRun
from tasks.toolbox import Toolbox


def read_source(run: StageRun, source: Source) -> CutDocument | Next:
    """The document; or the stage RECOGNISE where that can read more of it. Raises what parsers do."""
    tools, parsing = run.tools, run.job.stage is Stage.PARSE
    can_recognise = parsing and tools.settings.ocr != "off"
    if can_recognise and (source.media_type in PICTURES or _is_always_recognised(tools, source)):
        return Next(Stage.RECOGNISE)
    parser = tools.parser if parsing else tools.recogniser
    try:
        read = parser.cut(
            source.data, source.media_type, source.name, lambda: run.cancelled() or run.overdue()
        )
    except NotRecognised:
        if can_recognise:
            return Next(Stage.RECOGNISE)
        raise
    lacks_pages = any(warning.kind == WarningKind.PAGES for warning in read.parsed.warnings)
    return Next(Stage.RECOGNISE) if can_recognise and lacks_pages else read


def could_read_more(tools: Toolbox, present: Document) -> bool:
    """Whether pages of the document were not read that recognition, which there is now, may read."""
    lacks_pages = any(warning.kind == WarningKind.PAGES for warning in present.warnings)
    return lacks_pages and tools.settings.ocr != "off" and tools.recogniser is not tools.parser


def rules_of(tools: Toolbox, source: Source) -> str:
    """A name for the rules by which the source is read and cut."""
    fields = ",".join(tools.settings.context_metadata)
    recognised = "recognised" if _is_always_recognised(tools, source) else ""
    return " ".join(filter(None, (tools.chunker.name, recognised, fields)))


def _is_always_recognised(tools: Toolbox, source: Source) -> bool:
    return tools.settings.ocr == "always" and source.media_type == PDF
