"""What a question asks, without the pleasantries around it.

A cross-encoder compares the whole question with a passage. Greetings, thanks and the story before the
question are in no passage, so they hide the match: "what would I have to pay if I lose my key?" has a logit
of 5 with the sentence about keys; between a greeting and two lines of thanks it has -11.
"""

import re

_SENTENCE_END = re.compile(r"(?<=\w{3}\.)\s+|(?<=[!?])\s+|(?<=[？！。؟])|\n+")  # not after "St." or a number
_ENDS_A_QUESTION = ("?", "？", "؟")
_LONGEST = 4_000  # characters that are read; a question that is longer stays as it is
_FEWEST_WORDS = 3  # of a question that can stand alone
_MOST_WORDS_OF_COURTESY = 5

_ASKED_WITH = {
    "en": "how|what|which|when|where|who|whom|whose|why|whether|if(?! (?:it|you|that|possible|i may))",
    "de": "wie|was|welche[nmrs]?|wann|wo|wohin|woher|wer|wem|wen|wessen|warum|wieso|wieviele?|ob|womit|wofür",
    "es": "cómo|qué|cuál(?:es)?|cuándo|dónde|adónde|quién(?:es)?|cuánt[oa]s?|si",
    "fr": "comment|que|quel(?:le)?s?|quand|où|qui|combien|pourquoi|si|ce que",
}
_OPENED_WITH = {
    "en": r"(?:tell|show|inform|advise|remind)(?: me| us)|explain(?: to me| to us)?|let (?:me|us) know"
    r"|wonder(?:ing)?|(?:want|wanted|like|love|need) to (?:know|ask|find out)|happen to know|do you know"
    r"|any idea|may i ask",
    "de": r"(?:mir|uns) (?:bitte )?(?:sagen|mitteilen|erklären|verraten)(?: (?:könnten|können|würden))?"
    r"|(?:fragen|wissen)|wissen sie|wei(?:ss|ß)(?:t du| jemand)|frage mich|sagen sie (?:mir|uns)",
    "es": r"(?:decirme|decirnos|explicarme|indicarme)|(?:saber|preguntar(?:le|les)?)|me pregunto|sabe[ns]?",
    "fr": r"(?:me|nous) dire|(?:savoir|demander)|m'indiquer|savez-vous",
}
_OPENINGS = tuple(
    re.compile(rf"\b(?:{_OPENED_WITH[language]})\b[^.!?\n]{{0,80}}?[\s,:]\s*(?=(?:{words})\b)", re.IGNORECASE)
    for language, words in _ASKED_WITH.items()
)
_PLEASANTRY = re.compile(
    r"\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|greetings|thanks|thank you|many thanks"
    r"|cheers|(?:best|kind|warm)(?:est)? (?:regards|wishes)|regards|yours|sincerely|sorry|apologies|please"
    r"|i hope|(?:can|could) you help"
    r"|hallo|guten (?:tag|morgen|abend)|liebe[rs]?|sehr geehrte[rs]?|danke"
    r"|(?:(?:vielen|herzlichen|besten) )?dank"
    r"|(?:mit )?freundlichen? grüßen?|entschuldig\w{0,8}|grüezi"
    r"|hola|buen[oa]s (?:días|tardes|noches)|(?:muchas )?gracias|saludos|estimad[oa]s?"
    r"|bonjour|bonsoir|merci|cordialement)\b",
    re.IGNORECASE,
)
_SALUTATION = re.compile(
    r"(?:dear|hi|hello|hey|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend)"
    r"|liebe[rs]?|sehr geehrte[rs]?|hola|buen[oa]s (?:días|tardes|noches)|estimad[oa]s?|bonjour|chère?s?)"
    r"\b[^,.!?\n]{0,60},\s*",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(r"\bit\b|\b(?:whether|if) (?:that|this)\b", re.IGNORECASE)  # at the story before


def core_of(question: str) -> str:
    """The part of ``question`` that asks: its questions without greeting, thanks, story and polite opening.

    A question without pleasantries comes back as it is, as does one of which too little would stay.
    """
    if len(question) > _LONGEST:
        return question
    sentences = [part.strip() for part in _SENTENCE_END.split(question) if part.strip()]
    if not any(_PLEASANTRY.match(part) or _opening(part) for part in sentences):
        return question
    sentences = [said for part in sentences if (said := _without_salutation(part))]
    asking = [part for part in sentences if part.endswith(_ENDS_A_QUESTION) and not _is_courtesy(part)]
    kept = asking or [part for part in sentences if _opening(part) or not _PLEASANTRY.match(part)]
    core = " ".join(part[_opening(part) :] for part in kept)
    if _POINTS_BACK.search(core):
        core = " ".join(kept)
    return core if len(core.split()) >= _FEWEST_WORDS else question


def _without_salutation(sentence: str) -> str:
    """Without the "Dear Sir or Madam," at its beginning, whose names are nothing that is asked about."""
    found = _SALUTATION.match(sentence)
    return sentence[found.end() :] if found else sentence


def _is_courtesy(sentence: str) -> bool:
    """Whether it only greets or asks for help, as in "Hello?" and "Can you help me?"."""
    return bool(_PLEASANTRY.match(sentence)) and len(sentence.split()) <= _MOST_WORDS_OF_COURTESY


def _opening(sentence: str) -> int:
    """How many characters of ``sentence`` come before what it asks; 0 without a polite opening."""
    return max((found.end() for each in _OPENINGS for found in each.finditer(sentence)), default=0)
