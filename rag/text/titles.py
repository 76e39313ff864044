"""Tells titles that people gave from those that a program left in a file, and makes titles of file names."""

import re

from rag.media import READABLE
from rag.naming import plain_name

MAX_TITLE = 300
"""Characters of a title."""

_MAX_SERIAL = 4
"""Digits of a title without letters, such as a year. What has more is a number that a program counts by."""

_FILE_ENDINGS = "|".join(
    (
        *(ending for endings in READABLE.values() for ending in endings),
        *("doc", "dot", "xls", "xlt", "ppt", "pps", "odp", "ods", "odg", "pages", "numbers", "wpd", "vsdx?"),
        *("tex", "dvi", "ps", "eps", "indd", "qxd", "fm", "pmd", "p65", "pub", "ai", "psd", "cdr", "svg"),
        *("png", "jpe?g", "gif", "bmp", "tiff?", "webp", "xml", "ya?ml", "msg", "rpt", "tmp", "aspx?", "php"),
    )
)
_FILE_NAME = re.compile(rf"\w[)\]]?\.(?:{_FILE_ENDINGS})$", re.IGNORECASE)
_ENDING = re.compile(rf"(?<=\S)\.(?:{_FILE_ENDINGS}|[a-z][a-z0-9]{{0,3}})$", re.IGNORECASE)
_PATH = re.compile(
    r"(?:[a-z]:[\\/]|\\\\|/\S*/|\.{1,2}[\\/]|~\S*$|[a-z]{3,5}://|file:|\S{1,300}\\\S*$)", re.IGNORECASE
)
_WINDOW = re.compile(
    r"microsoft\W{0,2}(?:office )?(?:word|powerpoint|excel|publisher|visio|outlook|onenote|project|access)"
    r"\b[^-–]{0,20}[-–] ",
    re.IGNORECASE,
)
"""What a print driver writes: the title of a program's window."""

_IDENTIFIER = re.compile(
    r"(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,300}|(?:doi|pii):\S{1,300}|"
    r"[!-~]{0,300}?[0-9]{6}[!-~]{0,300})$",  # one word with a long number, such as aapl-20230701
    re.IGNORECASE,
)
_COUNTED = re.compile(r"[\W_]{0,3}[0-9]{1,10}$")
_EDGES = " ()[]{}<>.,:;*_-–\"'"
_NOT_GIVEN = frozenset(
    """
    untitled|untitled document|untitled page|untitled presentation|untitled spreadsheet|no title|unknown
    unknown title|anonymous|none|null|undefined|n/a|title|new document|new page|document|doc|file|blank
    presentation|powerpoint presentation|book|workbook|sheet|spreadsheet|worksheet|chart|slide|page|layout
    scan|scanned document|image|img|dsc|pxl|fax|print|printout|output|temp|tmp|no subject|template
    unbenannt|unbenanntes dokument|ohne titel|kein titel|dokument|neues dokument|präsentation|mappe
    powerpoint-präsentation|tabelle|tabellenblatt|diagramm|folie|seite|datei
    sans titre|sans nom|document sans titre|présentation|présentation powerpoint|classeur|feuil|feuille
    graphique|diapositive
    sin título|documento sin título|documento|presentación|presentación de powerpoint|libro|hoja|gráfico
    diapositiva|sem título|documento sem título|apresentação|apresentação do powerpoint|pasta|planilha
    senza titolo|presentazione|presentazione standard di powerpoint|cartel|foglio
    naamloos|naamloos document|presentatie|powerpoint-presentatie|blad|dia
    без названия|без имени|документ|презентация|презентация powerpoint|книга|лист|слайд
    bez tytułu|bez názvu|dokument bez názvu|prezentacja|prezentace|arkusz|zeszyt|list|sešit|namnlös|uden navn
    無題|無題のドキュメント|文書|文档|无标题|未命名|新建文档|幻灯片|スライド|제목 없음|문서|프레젠테이션
    """.replace("\n", "|").split("|")
)
_NAMES_NOT_GIVEN = frozenset(name.strip() for name in _NOT_GIVEN if name.strip())


def usable_title(title: str) -> str | None:
    """``title`` on one line of 300 characters at most; None where a program left it.

    Programs leave what they call a new document ("Untitled", "Document1"), the title of their window
    ("Microsoft Word - …"), a path or the name of a file, a number, a digest or a UUID.
    """
    words = plain_name(title)[:MAX_TITLE].strip()
    return None if is_left_by_program(words) else words


def is_left_by_program(title: str) -> bool:
    """Whether this one line is no title that a person gave."""
    core = title.strip(_EDGES)
    if not any(map(str.isalpha, core)):
        return sum(map(str.isdigit, core)) not in range(1, _MAX_SERIAL + 1)
    if core.lower() in _NAMES_NOT_GIVEN or is_counted(core):
        return True
    return bool(
        _PATH.match(title) or _WINDOW.match(title) or _FILE_NAME.search(title) or _IDENTIFIER.match(core)
    )


def is_counted(heading: str) -> bool:
    """Whether a program numbered this part of a document, as in "Sheet1" and "Slide 3"."""
    name, numbers = _COUNTED.subn("", heading.strip(_EDGES))
    return bool(numbers) and name.lower() in _NAMES_NOT_GIVEN


def title_of_file_name(name: str) -> str | None:
    """The title of a document that came under ``name``, a file's name: that without its ending.

    An address, which a document without a name of its own came from, stays whole. None where nothing is left.
    """
    shown = plain_name(name)
    if "://" not in shown:
        shown = shown.replace("\\", "/").rpartition("/")[2]
        shown = _ENDING.sub("", shown).strip() or shown
    return shown[:MAX_TITLE].strip() or None
