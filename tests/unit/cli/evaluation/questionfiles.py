"""Small files of questions, one of each form that ``aegis eval`` reads."""

import json
from pathlib import Path

BELL = "The harbour bell of Lindenau rings twice at noon."
AQUEDUCT = "Clara Weiss finished the aqueduct in 1874."
OWN = {
    "articles": [
        {
            "title": "Harbour",
            "paragraphs": [
                {
                    "text": BELL,
                    "questions": [{"question": "How often does the bell ring?", "answers": ["twice"]}],
                }
            ],
        },
        {
            "title": "Aqueduct",
            "paragraphs": [
                {
                    "text": AQUEDUCT,
                    "questions": [{"question": "Who finished the aqueduct?", "answers": ["Clara Weiss"]}],
                }
            ],
        },
    ]
}
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Harbour",
            "paragraphs": [
                {
                    "context": BELL,
                    "qas": [
                        {
                            "id": "1",
                            "question": "How often does the bell ring?",
                            "is_impossible": False,
                            "answers": [
                                {"text": "twice", "answer_start": 36},
                                {"text": "twice at noon", "answer_start": 36},
                                {"text": "twice", "answer_start": 36},
                            ],
                        },
                        {
                            "id": "2",
                            "question": "Who cast the harbour bell?",
                            "is_impossible": True,
                            "plausible_answers": [{"text": "Lindenau", "answer_start": 20}],
                            "answers": [],
                        },
                    ],
                }
            ],
        },
        {
            "title": "Aqueduct",
            "paragraphs": [
                {
                    "context": AQUEDUCT,
                    "qas": [
                        {
                            "id": "3",
                            "question": "Who finished the aqueduct?",
                            "answers": [{"text": "Clara Weiss", "answer_start": 0}],
                        }
                    ],
                }
            ],
        },
    ],
}
CASES = [
    {
        "case": "harbour",
        "questions": [
            {"q": "How often does the bell ring?", "need": ["twice", "noon"]},
            {"q": "How often does the bell ring?", "need": ["twice"], "document_id": "bell.md"},
            {"q": "What does a night in the hotel cost?", "need": None},
        ],
    }
]
TABLE = (
    "Question;Need;Document;Kind\n"
    "How often does the bell ring?;twice|two times;*bell*;harbour\n"
    "Who finished the aqueduct?;Weiss; aqueduct.md ;builders\n"
    "What does a night in the hotel cost?;;;builders\n"
)
DOCUMENTS = {"bell.md": f"# Bell\n\n{BELL}\n", "aqueduct.md": f"# Aqueduct\n\n{AQUEDUCT}\n"}


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path


def write_beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": "bell", "title": "Bell", "text": BELL},
        {"_id": "aqueduct", "title": "", "text": AQUEDUCT, "metadata": {}},
    ]
    queries = [
        {"_id": "q1", "text": "How often does the bell ring?"},
        {"_id": "q2", "text": "Who finished the aqueduct?"},
        {"_id": "q3", "text": "Is this graded?"},
    ]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)) + "\n", "utf-8")
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)) + "\n", "utf-8")
    grades = "query-id\tcorpus-id\tscore\nq1\tbell\t2\nq2\taqueduct\t1\nq2\tbell\t0\n"
    (folder / "qrels" / "test.tsv").write_text(grades, "utf-8")
    return folder


def write_table(folder: Path, table: str = TABLE) -> Path:
    """A folder of documents with a table of questions."""
    write_documents(folder / "docs")
    (folder / "questions.csv").write_text(table, "utf-8")
    return folder


def write_cases(folder: Path) -> Path:
    write_documents(folder / "harbour")
    return write_json(folder / "cases.json", CASES)


def write_documents(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, "utf-8")
