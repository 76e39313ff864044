"""Tells the language of a text by its script and its most frequent words.

A passage of a hundred words has some forty of them, so a passage tells its language itself and none is
stored. Libraries know a hundred languages in models of 1 to 100 MB, and take a thousand times as long.
"""

import re
from collections.abc import Iterable, Mapping

ENGLISH = "en"

_SAMPLE = 1_500  # characters
_FEWEST = 2
_RARITY = 10  # a frequent word is at least one in so many
_TIE = 0.01
_WORD = re.compile(r"[^\W\d_]+")
_NOT_LATIN = re.compile("[\u0370-\u1cff\u3040-\ud7a3]")
_SCRIPTS: Mapping[str, "re.Pattern[str]"] = {
    "ru": re.compile("[\u0400-\u052f]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "ta": re.compile("[\u0b80-\u0bff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\uac00-\ud7a3]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
}
_TONES = re.compile("[\u01a0\u01a1\u01af\u01b0\u1ea0-\u1ef9]")  # letters of Vietnamese alone
_FREQUENT: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is that for it was on are as with be by at this have from or an not which",
        "de": "der die das und ist den von zu mit dem des im nicht ein eine für auf sich auch es werden wird "
        "in am bei nach oder sind aus wie zum zur vom",
        "es": "el la los las de del que en un una es por con para no se su al lo como más pero sus son está",
        "pt": "os as do da dos das que em um uma por com para não se no na ao mais como são pelo pela às de",
        "fr": "le la les des du et est une que dans pour qui sur au par ne pas se ce il sont avec aux ou",
        "it": "il lo la gli le di che un una per con non del della dei delle nel si da al sono alla come in",
        "nl": "de het een en van is dat op te zijn voor met niet aan er om ook als bij door naar uit wordt",
        "sv": "och att det som en på är av för med den till inte om ett har de var kan från vid hur vad",
        "da": "og at det som en på er af for med den til ikke om et har de var kan fra ved hvor hvad",
        "no": "og at det som en på er av for med den til ikke om et har de var kan fra ved hvor hva",
        "fi": "ja on että ei se oli ovat mutta joka kun niin tai myös kuin hän ole mitä miten kuka",
        "hu": "a az és hogy nem is egy volt meg de csak mint vagy ez azt ki mi hol milyen",
        "ro": "și în de la cu pe care este un o din nu a au sunt mai ce pentru fost prin al ale cine",
        "tr": "ve bir bu da de için ile olarak olan en çok daha gibi kadar sonra ise ne kim nasıl mi mı",
        "pl": "na do się nie to jest że po od dla przez ma są być oraz jak za ze lub czy był",
    }.items()
}
_ASKING: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "what who whom whose when where why how do does did can could should has have were i my we you "
        "there about under after before between than into many much any all must may if",
        "de": "wer wie was wo wann warum welche welcher welches welchen wem wen wessen wohin woher womit "
        "wofür wieviel viele kann darf muss hat haben wurde wurden gibt ich wir man unter gegen zwischen",
        "es": "qué quién quiénes cuál cuáles cuándo dónde cómo cuánto cuánta cuántos cuántas hay puede fue "
        "tiene quien entre sobre",
        "pt": "qual quais quem quando onde quanto quantos quantas porque pode foi há tem quê",
        "fr": "quel quelle quels quelles quand où comment combien pourquoi quoi combien puis peut été sont "
        "faut avoir y à",
        "it": "chi che cosa quale quali quando dove come quanto quanti quante perché può viene è stato",
        "nl": "wie wat waar wanneer welke hoe hoeveel waarom kan mag moet heeft ik",
        "sv": "vem vilken vilket vilka när var varför hur många får jag",
        "da": "hvem hvilken hvilket hvilke hvornår hvorfor hvordan mange må jeg",
        "no": "hvem hvilken hvilket hvilke når hvorfor hvordan mange må jeg",
        "fi": "mikä mitkä milloin missä miksi kuinka paljonko monta voiko",
        "hu": "mennyi hány miért hogyan mikor mely melyik kell lehet",
        "ro": "cine când unde cum cât câte câți care ce câtă pot fi",
        "tr": "ne kim nasıl nerede zaman hangi kaç neden niçin kadar nedir kimdir mu mü",
        "pl": "kto kiedy gdzie ile który która które jaki jaka jakie dlaczego można",
    }.items()
}
_ASKED: Mapping[str, frozenset[str]] = {
    language: words | _ASKING.get(language, frozenset()) for language, words in _FREQUENT.items()
}


def _languages_of(words_of: Mapping[str, frozenset[str]]) -> Mapping[str, tuple[str, ...]]:
    """The languages of each word."""
    return {
        word: tuple(language for language, words in words_of.items() if word in words)
        for word in frozenset().union(*words_of.values())
    }


_LANGUAGES_OF, _LANGUAGES_OF_ASKED = _languages_of(_FREQUENT), _languages_of(_ASKED)


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language in which ``text`` begins; English where it does not tell."""
    return told_language(text) or ENGLISH


def told_language(text: str) -> str | None:
    """The ISO 639-1 code of the language in which ``text`` begins; None where it does not tell."""
    sample = text[:_SAMPLE].lower()
    if by_script := _by_script(sample):
        return by_script
    words = _WORD.findall(sample)
    shares = _shares(words, _LANGUAGES_OF)
    best = max(shares, key=lambda language: (shares[language], language == ENGLISH), default=ENGLISH)
    count = sum(word in _FREQUENT[best] for word in words)
    return best if count >= max(_FEWEST, len(words) // _RARITY) else None


def asked_languages(question: str) -> tuple[str, ...]:
    """The languages that a question may be in, by its words; none where it does not tell."""
    sample = question[:_SAMPLE].lower()
    if by_script := _by_script(sample):
        return (by_script,)
    shares = _shares(frozenset(_WORD.findall(sample)), _LANGUAGES_OF_ASKED)
    most = max(shares.values(), default=0.0)
    return tuple(language for language, share in shares.items() if share > most - _TIE)


def _shares(words: Iterable[str], languages_of: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """How many of the words speak for each language; one of several languages speaks for each in part."""
    shares: dict[str, float] = {}
    for word in words:
        languages = languages_of.get(word, ())
        for language in languages:
            shares[language] = shares.get(language, 0.0) + 1 / len(languages)
    return shares


def _by_script(sample: str) -> str | None:
    """The language of a text whose letters are mostly of one script that tells it."""
    if sample.isascii():
        return None
    if len(_TONES.findall(sample)) > len(sample) // 25:
        return "vi"
    foreign = len(_NOT_LATIN.findall(sample))
    if 3 * foreign < len(sample):
        return None
    counts = {language: len(letters.findall(sample)) for language, letters in _SCRIPTS.items()}
    if counts["ja"] * 10 > foreign:  # Japanese mixes kana with Chinese characters
        return "ja"
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None
