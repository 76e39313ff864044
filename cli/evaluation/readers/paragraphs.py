"""Articles whose paragraphs are documents: SQuAD 1.1 and 2.0, XQuAD, and Aegis' own form.

Two collections are made. One has every article: it measures retrieval and answers. The other has every
other article: questions about the articles that it lacks are off topic there, and are to be refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from cli.evaluation.model import Collection, Dataset, Question, Text
from cli.evaluation.readers.reading import Wording, Words, validated

_ID_DIGITS = 24
_EXPECTED = " / "


class _SquadAnswer(BaseModel):
    text: Words


class _SquadQuestion(BaseModel):
    question: Wording
    answers: list[_SquadAnswer] = []
    is_impossible: bool = False


class _SquadParagraph(BaseModel):
    context: Words
    qas: list[_SquadQuestion]


class _SquadArticle(BaseModel):
    paragraphs: list[_SquadParagraph]


class _SquadFile(BaseModel):
    data: list[_SquadArticle]


class _OwnQuestion(BaseModel):
    question: Wording
    answers: list[Words]


class _OwnParagraph(BaseModel):
    text: Words
    questions: list[_OwnQuestion]


class _OwnArticle(BaseModel):
    paragraphs: list[_OwnParagraph]


class _OwnFile(BaseModel):
    articles: list[_OwnArticle]


_SQUAD, _OWN = TypeAdapter(_SquadFile), TypeAdapter(_OwnFile)


@dataclass(frozen=True, slots=True)
class _Asked:
    """``answers`` are the right wordings; none: the paragraph does not hold the answer."""

    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Paragraph:
    text: str
    questions: tuple[_Asked, ...]


_Article = Sequence[_Paragraph]


def read_squad(path: Path, content: object) -> Dataset:
    """A file of SQuAD or XQuAD. ``content``: its JSON. ConfigurationError for another form."""
    file = validated(path, _SQUAD, content)
    articles = [
        [
            _Paragraph(
                paragraph.context,
                tuple(
                    _Asked(each.question, _distinct(a.text for a in each.answers if not each.is_impossible))
                    for each in paragraph.qas
                ),
            )
            for paragraph in article.paragraphs
        ]
        for article in file.data
    ]
    return _dataset(path.stem, articles)


def read_articles(path: Path, content: object) -> Dataset:
    """A file of Aegis' own form. ``content``: its JSON. ConfigurationError for another form."""
    file = validated(path, _OWN, content)
    articles = [
        [
            _Paragraph(
                paragraph.text,
                tuple(_Asked(each.question, _distinct(each.answers)) for each in paragraph.questions),
            )
            for paragraph in article.paragraphs
        ]
        for article in file.articles
    ]
    return _dataset(path.stem, articles)


def _dataset(name: str, articles: Sequence[_Article]) -> Dataset:
    collections = [_collection(_whole(name), articles)]
    questions = [_question(name, p, asked) for article in articles for p in article for asked in p.questions]
    if len(articles) > 1:
        collections.append(_collection(_half(name), articles[::2]))
        known = {paragraph.text for article in articles[::2] for paragraph in article}
        questions += [
            _off_topic(name, asked)
            for article in articles[1::2]
            for paragraph in article
            if paragraph.text not in known
            for asked in paragraph.questions
        ]
    return Dataset(name, tuple(collections), tuple(questions), has_limits=True)


def _collection(name: str, articles: Sequence[_Article]) -> Collection:
    texts = dict.fromkeys(paragraph.text for article in articles for paragraph in article)
    return Collection(name, tuple(Text(_id(text), text) for text in texts))


def _question(name: str, paragraph: _Paragraph, asked: _Asked) -> Question:
    if not asked.answers:
        return Question(asked.question, _whole(name), f"{name}, near miss", answerable=False)
    return Question(
        asked.question,
        _whole(name),
        name,
        needs=(asked.answers,),
        expected=_EXPECTED.join(asked.answers),
        documents={_id(paragraph.text): 1},
    )


def _off_topic(name: str, asked: _Asked) -> Question:
    return Question(asked.question, _half(name), f"{name}, off topic", answerable=False)


def _whole(name: str) -> str:
    return f"{name}, all articles"


def _half(name: str) -> str:
    return f"{name}, every other article"


def _id(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
