"""Words that ask and words that only join, which tell nothing about what a question is about.

A passage that lacks "who" or "when" may answer all the same, so such words are no evidence against it. Those
of English are in ``rag.text.words``.
"""

import re
from collections.abc import Mapping

from rag.text.languages import asked_languages
from rag.text.normalising import folded
from rag.text.words import STOP_WORDS, capital_stop_words, runs

_GERMAN = (
    "wer wie was wo wann warum welche welcher welches welchen welchem wem wen wessen wohin woher womit wofür "
    "wieso wieviel der die das den dem des ein eine einen einem einer eines in an mit nach von zu zum zur "
    "ist sind werden wird und oder"
)
_WORDS: Mapping[str, str] = {
    "de": f"{_GERMAN} viel viele kann darf muss hat haben hatte wurde wurden gibt ich wir man im am auf "
    "aus bei vom für war waren als es sie er",
    "es": "qué quién quiénes cuál cuáles cuándo dónde cómo cuánto cuánta cuántos cuántas por "
    "para el la los las un una de del en a al con que se su sus es son fue fueron era "
    "hay ha han y o lo",
    "fr": "quel quelle quels quelles quand où comment combien pourquoi qui que quoi est ce le "
    "la les un une des du de en à au aux dans sur par pour avec et ou il elle sont "
    "était fut a ont se son sa ses",
    "it": "chi che cosa quale quali quando dove come quanto quanti quante quanta perché il lo "
    "la i gli le un una di del della dei delle in nel nella a al da con per è sono era "
    "fu ha hanno e o si",
    "pt": "qual quais quem quando onde quanto quantos quantas como porque que o a os as um "
    "uma de do da dos das em no na por para com é são foi foram era há tem e ou se",
    "nl": "wie wat waar wanneer welke welk hoe hoeveel waarom de het een van in op te is zijn "
    "was waren en of met voor aan",
    "ro": "ce cine când unde cum cât câtă câți câte care de la în din pe cu un o al ale a au "
    "fost este sunt era erau și sau pentru prin se lui cui",
    "tr": "ne kim kimin nasıl nerede nereye zaman hangi hangisi kaç kaçı neden niçin nedir "
    "kimdir mi mı mu mü bir ve ile için olan olarak bu da de kadar",
    "pl": "kto kiedy gdzie ile który która które jaki jaka jakie jak dlaczego co w na z do od "
    "po za przez i lub jest są był była było",
    "vi": "gì ai nào khi ở đâu bao nhiêu thế sao tại vì như là của những các đã được có và "
    "cho trong một này bởi với từ",
    "ru": "что кто кого кому кем чего чем когда где куда откуда какой какая какое какие каков "
    "какова каковы каким какую каких каком сколько почему зачем как который которая "
    "которые которое в во на и с со по из за для о об от до к у был была было были "
    "является ли это не",
    "el": "τι ποιος ποια ποιο ποιοι ποιες ποιου ποιον πότε πού πώς πόσο πόσα πόσοι πόσες "
    "γιατί ο η το οι τα του της των τον την στο στη στην στον στα στις σε από με για "
    "και ή είναι ήταν που να ένα μια ένας",
    "ar": "ما ماذا متى من أين كيف كم لماذا هل أي أية لمن بم التي الذي الذين في على إلى عن مع "
    "هو هي كان كانت هذا هذه أن",
    "hi": "क्या कौन कौनसा कौनसी कब कहाँ कहां कैसे कैसा कितने कितना कितनी क्यों किस किसने किसे "
    "किसका किसकी किन है हैं था थे थी के की का को में से ने पर और या एक यह वह द्वारा लिए "
    "किया गया",
}
JOINING_GERMAN = frozenset(folded(_GERMAN).split())
"""Words of German that only ask or join, as ``rag.text.words.JOINING_WORDS`` has those of English."""

_INDEFINITE = frozenset(
    """
    anybody anyone anything anywhere everybody everyone everything nobody nothing somebody someone something
    thing things hello hi hey
    etwas nichts alles irgendetwas irgendwas jemand niemand was da hier dort hallo
    algo nada todo alguien nadie ahi aqui hola
    quelque chose rien tout quelqu personne bonjour la il y
    """.split()  # noqa: SIM905 - prose is easier to read than a list of quoted words
)
"""Words that stand for whatever there is, as they are folded."""

_PIECES: Mapping[str, str] = {
    "zh": "什么时候 什么 多少 哪里 哪儿 哪个 哪些 哪位 哪一 哪种 哪两 哪 谁 何时 何地 何 几 "
    "怎么样 怎么 怎样 如何 为什么 为何 吗 呢 的 了 是 被",
    "ja": "なぜ どこ だれ 誰 いつ どの どれ どう どんな 何 いくつ いくら ですか ますか か の "
    "は が を に で と",
    "th": "อะไรบ้าง อะไร ใครบ้าง ใคร เมื่อไหร่ เมื่อใด เมื่อไร ที่ไหน อย่างไร เท่าไหร่ เท่าใด "
    "เท่าไร กี่ ทำไม ใด ไหน คือ เป็น ของ ใน ที่ มี ได้ จาก และ หรือ",
}
_AMONG_WORDS = {
    language: re.compile(
        rf"(?<![\w\u0900-\u0dff])(?:{'|'.join(words.split())})(?![\w\u0900-\u0dff])", re.IGNORECASE
    )
    for language, words in _WORDS.items()
}
_JOINING = STOP_WORDS | _INDEFINITE
_ANYWHERE = {language: re.compile("|".join(pieces.split())) for language, pieces in _PIECES.items()}


def without_asking(question: str) -> str:
    """The question without words that ask or only join, in the languages that it may be in.

    As it is where nothing else would stay, and in languages of which no such words are known.
    """
    kept = question
    for language in asked_languages(question):
        kept = _without(language, kept)
    return kept if any(character.isalnum() for character in kept) else question


def _without(language: str, text: str) -> str:
    words = _AMONG_WORDS.get(language) or _ANYWHERE.get(language)
    return words.sub(" ", text) if words else text


def has_content(question: str) -> bool:
    """Whether anything in the question says what it is about: "Anything there?" and "What is it?" do not.

    Words that ask, join, greet or stand for whatever there is tell nothing.
    """
    if capital_stop_words(folded(question)):
        return True
    kept = question
    for language in asked_languages(question):
        kept = _without(language, kept)
    return any(word not in _JOINING for word in runs(folded(kept)))
