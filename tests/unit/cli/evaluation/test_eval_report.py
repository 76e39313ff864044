"""The report is one file that shows wrong answers first and in which no text is markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.evaluation.markup import element
from cli.evaluation.report import report
from cli.evaluation.run import Run
from cli.evaluation.scoring import Hit, Score, Verdict
from cli.evaluation.significance import difference

SITE = "http://127.0.0.1:8910"
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\x1b[31m"


class Page(HTMLParser):
    """``tags`` in order, ``links``, and the text outside of styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.text += data

    @property
    def links(self) -> list[str | None]:
        return [value for name, value in self.attributes if name == "href"]


def scored(verdict: Verdict, text: str = "text", url: str = "/console/document.html#a=1") -> Score:
    return Score(
        id=text,
        kind=text,
        question=f"{verdict}? {text}",
        expected=text,
        verdict=verdict,
        answerable=True,
        reason=text,
        answer=text,
        hits=(Hit(text, 3, 0.75, text, url),),
    )


def run_of(*scores: Score, site: str = SITE, **fields: str) -> Run:
    return Run("cases", "0.2.0", 3, scores, site=site, **fields)  # type: ignore[arg-type]


@given(st.text(max_size=60))
def test_no_text_is_markup(text: str) -> None:
    plain, hostile = (
        Page(report(run_of(scored(Verdict.WRONG, given), site=""))) for given in ("x", f"{text}{HOSTILE}")
    )

    assert hostile.tags == plain.tags
    assert {name for name, _ in hostile.attributes} == {name for name, _ in plain.attributes}
    assert "\x1b" not in hostile.text
    assert "\u202e" not in hostile.text


def test_names_of_data_sets_and_documents_are_text_too() -> None:
    run = Run(HOSTILE, HOSTILE, 1, (scored(Verdict.RIGHT),), unread=(HOSTILE,), site=HOSTILE)
    page = Page(report(run, [difference(HOSTILE, HOSTILE, [0.0], [1.0])]))

    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.links == []


def test_wrong_answers_come_first_and_right_ones_last() -> None:
    verdicts = [Verdict.RIGHT, Verdict.PARTLY, Verdict.TURNED_AWAY, Verdict.REFUSED, Verdict.WRONG]
    text = Page(report(run_of(*(scored(verdict) for verdict in verdicts)))).text

    questions = [text.index(f"{verdict}? text") for verdict in verdicts]
    assert [verdicts[questions.index(at)] for at in sorted(questions)] == [
        Verdict.WRONG,
        Verdict.REFUSED,
        Verdict.PARTLY,
        Verdict.TURNED_AWAY,
        Verdict.RIGHT,
    ]


def test_a_question_has_what_was_expected_its_answer_and_passages_with_scores() -> None:
    text = Page(report(run_of(scored(Verdict.WRONG, "violet")))).text

    for part in ("Expected", "Answer", "violet, page 3", "0.750", "Aegis 0.2.0"):
        assert part in text


def test_a_passage_leads_to_the_console_of_an_api_that_stays() -> None:
    assert Page(report(run_of(scored(Verdict.WRONG)))).links == [f"{SITE}/console/document.html#a=1"]
    assert Page(report(run_of(scored(Verdict.WRONG), site=""))).links == []


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil.example/x", "https://evil.example", "", "/a\nb"]
)
def test_only_paths_of_the_api_become_links(url: str) -> None:
    assert Page(report(run_of(scored(Verdict.WRONG, url=url)))).links == []


def test_the_file_needs_no_script_and_loads_nothing() -> None:
    html = report(run_of(scored(Verdict.WRONG)))
    page = Page(html)

    assert not {"script", "link", "img", "iframe", "base"} & set(page.tags)
    assert ("content", "width=device-width, initial-scale=1") in page.attributes
    assert any(value and value.startswith("default-src 'none'") for _, value in page.attributes)
    assert "@import" not in html
    assert "url(" not in html


def test_an_attribute_is_escaped_left_out_or_alone() -> None:
    assert element("a", "x<", href='"><b>', open=True, hidden=False) == (
        '<a href="&quot;&gt;&lt;b&gt;" open>x&lt;</a>'
    )
