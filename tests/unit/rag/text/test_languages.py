import pytest

from rag.text.languages import asked_languages, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The pump of the harbour is tested once a year, and the result is in the book.", "en"),
        ("Die Pumpe des Hafens wird einmal im Jahr geprüft, und das Ergebnis steht im Buch.", "de"),
        ("La bomba del puerto se revisa una vez al año y el resultado está en el libro.", "es"),
        ("A bomba do porto é testada uma vez por ano e o resultado está no livro.", "pt"),
        ("La pompe du port est contrôlée une fois par an et le résultat est dans le livre.", "fr"),
        ("La pompa del porto è controllata una volta al mese e il risultato è nel libro.", "it"),
        ("De pomp van de haven wordt een keer per jaar getest en het resultaat staat in het boek.", "nl"),
        ("Pompa w porcie jest sprawdzana raz do roku, a wynik jest w książce i na tablicy.", "pl"),
        ("Насос проверяется один раз в год.", "ru"),
        ("Pompa yılda bir kez denetlenir ve sonuç deftere yazılır.", "tr"),
        ("Máy bơm của cảng được kiểm tra mỗi năm một lần.", "vi"),
        ("Pompa portului este verificată o dată pe an și rezultatul este în registru.", "ro"),
        ("Η αντλία ελέγχεται μία φορά τον χρόνο.", "el"),
        ("防火管理者は誰ですか？", "ja"),
        ("消防安全负责人是谁？", "zh"),
        ("KX-2041-B; 640; 7.5", "en"),
        ("", "en"),
    ],
)
def test_a_text_tells_its_language_by_its_frequent_words(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("question", "languages"),
    [
        ("Who leads the night shift?", ("en",)),
        ("Wer leitet die Nachtschicht?", ("de",)),
        ("¿Quién dirige el turno de noche?", ("es",)),
        ("Qui dirige l'équipe de nuit ?", ("fr",)),
        ("Gece vardiyasını kim yönetiyor?", ("tr",)),
        ("Кто руководит ночной сменой?", ("ru",)),
        ("4711", ()),
        ("", ()),
    ],
)
def test_a_question_tells_its_language_by_the_words_that_ask(
    question: str, languages: tuple[str, ...]
) -> None:
    assert asked_languages(question) == languages
