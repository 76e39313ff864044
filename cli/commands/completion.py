"""``aegis completion``: the script by which a shell completes commands and options."""

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Whose script.")]) -> None:
    """Print a shell's completion script.

    \b
    bash  aegis completion bash > ~/.local/share/bash-completion/completions/aegis
    zsh   aegis completion zsh > ~/.zfunc/_aegis   (a folder of $fpath)
    fish  aegis completion fish > ~/.config/fish/completions/aegis.fish
    """
    from typer._completion_shared import get_completion_script  # noqa: PLC0415 - no other command needs it

    print(get_completion_script(prog_name="aegis", complete_var="_AEGIS_COMPLETE", shell=shell.value))
