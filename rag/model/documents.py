"""Documents, and the collections that hold them."""

from dataclasses import dataclass, field
from enum import StrEnum

from rag.model.parsed import ReadingWarning
from rag.model.values import Json
from rag.naming import generation_name, store_name


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the registry knows it: the version that searches see now.

    ``fingerprint`` identifies everything that the passages depend on (bytes, title, metadata, chunking): an
    ingestion with the same fingerprint has nothing to do. ``text_key``: the blob of the parsed text that
    offsets point into. ``given_title``: the title that was sent; '' without one. ``searched_title``:
    the given one, or that of the file's name, whose words count in the lexical search of each passage; ''
    without one. ``confirmed``: the version of the last
    ingestion with the same content, which supersedes older ones; 0 without one. ``owner``: the name of the
    key that sent the version; "" without keys. ``size``: bytes of its source; 0 where they were not counted.
    ``warnings``: what of the source was not read.
    ``parent``: the id of the mail that the document was attached to, or "". ``attachments``: of a mail, the
    ids of the documents that its attachments become; one of them is wanted as long as its mail lists it.
    """

    document_id: str
    collection: str
    generation: int
    version: int
    fingerprint: str
    title: str
    media_type: str
    source_key: str
    text_key: str
    chunks: int
    tokens: int
    created_at: float
    updated_at: float
    metadata: Json = field(default_factory=dict)
    given_title: str = ""
    confirmed: int = 0
    owner: str = ""
    size: int = 0
    searched_title: str = ""
    warnings: tuple[ReadingWarning, ...] = ()
    parent: str = ""
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a key stores: ``documents`` that searches see, and ``size``, the bytes of their sources."""

    documents: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A collection's points as one model embeds them.

    ``number`` counts the layouts of a collection from 0, and none is used twice. ``job_id``: the job that
    built it; '' for the first, which is made with the collection.
    """

    number: int
    embedding_model: str
    dimension: int
    job_id: str = ""


class LayoutState(StrEnum):
    BUILDING = "building"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class SecondLayout:
    """The layout beside the serving one: being built, or kept so that a change can be undone.

    ``since``: when it entered its state. Writes go to both layouts.
    """

    layout: Layout
    state: LayoutState
    since: float


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents; counts are of live versions.

    ``embedding_model`` and ``dimension`` are those of the layout that serves, ``layout`` is its number
    and ``built_by`` the job that built it.

    ``generation`` counts how often a collection of this name was made, so that leftovers of a dropped one
    never mix with a later one. ``revision`` grows with every publication and deletion: while it stays the
    same, so do the answers.
    """

    name: str
    generation: int
    embedding_model: str
    dimension: int
    created_at: float
    documents: int = 0
    chunks: int = 0
    revision: int = 0
    layout: int = 0
    built_by: str = ""
    second: SecondLayout | None = None

    @property
    def folder(self) -> str:
        """The folder of its documents' blobs."""
        return generation_name(self.name, self.generation)

    @property
    def serving(self) -> Layout:
        return Layout(self.layout, self.embedding_model, self.dimension, self.built_by)

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts that writes go to; the first one serves searches."""
        return (self.serving, self.second.layout) if self.second else (self.serving,)

    @property
    def store(self) -> str:
        """The name of its serving points in a vector store."""
        return self.store_of(self.serving)

    def store_of(self, layout: Layout) -> str:
        return store_name(self.name, self.generation, layout.number)


class Hold(StrEnum):
    """What a job does with a generation. FILLED: it writes to it; REPLACED: it still reads it; SPENT: nothing
    may use it any more."""

    FILLED = "filled"
    REPLACED = "replaced"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A generation of a collection that does not serve, and the job that holds it."""

    collection: str
    generation: int
    job_id: str
    hold: Hold = Hold.FILLED


@dataclass(frozen=True, slots=True)
class Replacement:
    """What will serve in place of a collection, or as the first one of its name.

    ``above``: versions that are allocated afterwards are above this one, and above all earlier ones.
    """

    reservation: Reservation
    embedding_model: str
    dimension: int
    created_at: float
    above: int


@dataclass(frozen=True, slots=True)
class Removal:
    """What has to be purged after a deletion: a document up to ``version``, or a whole generation.

    ``job_id``: the job that purges it. ``document_id`` None: everything of the collection. ``blobs``: the
    keys of the document's blobs. ``title``: its last one; "" where none is known. ``attachments``: the ids
    of documents that were attached to it, and are to be deleted with it.
    """

    job_id: str
    collection: str
    generation: int
    document_id: str | None = None
    version: int = 0
    blobs: tuple[str, ...] = ()
    title: str = ""
    attachments: tuple[str, ...] = ()
