"""README's REST lines, pasted one after the other into a fresh stack, give an answer."""

import subprocess
from pathlib import Path

from tests.readme import block_with, json_objects
from tests.system.running import Stack


def test_its_calls_answer_one_after_the_other_in_any_folder(own_stack: Stack, tmp_path: Path) -> None:
    own_stack.start().until_ready()
    calls = block_with("curl").replace("localhost:8910", f"localhost:{own_stack.api_port}")

    pasted = subprocess.run(
        ["sh", "-e"], input=calls, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150
    )

    assert pasted.returncode == 0, pasted.stderr
    assert pasted.stderr == ""
    ingested, answered = json_objects(pasted.stdout)
    assert ingested["state"] == "succeeded", ingested
    assert answered["state"] == "succeeded", answered
    assert "[1]" in answered["result"]["answer"]
    assert "90 days" in answered["result"]["answer"]
    assert answered["result"]["citations"][0]["document_id"] == ingested["result"]["document_id"]


def test_they_say_so_where_nobody_answers(tmp_path: Path) -> None:
    calls = block_with("curl").replace("localhost:8910", "localhost:1")

    pasted = subprocess.run(
        ["sh", "-e"], input=calls, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
    )

    assert pasted.returncode != 0
    assert "curl: (7)" in pasted.stderr
