"""The command `ricercar`: `ricercar train ARGUMENTS` is `python train.py ARGUMENTS`, from any folder."""

import os
import sys
from importlib import import_module
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

# {name: (module with a function cli(), or module:function; what it does)}; read when the command is asked for.
COMMANDS = {
    "train": ("ricercar.train", "trains one configuration, or a sweep with -m, and evaluates it"),
    "eval": ("ricercar.eval", "scores runs again, systems and predictions from elsewhere, or a trivial baseline"),
    "predict": ("ricercar.predict", "writes what a finished run hears in recordings"),
    "systems": ("ricercar.systems", "installs other people's systems: ricercar systems install basic_pitch"),
    "export": ("ricercar.export", "writes a finished run as one graph: audio in, logits out"),
    "serve": ("ricercar.use.serve.command", "serves trained models over HTTP, with a page to try them"),
    "leaderboard": ("ricercar.leaderboard", "compares results; ablate, audit and reproduce are below it"),
    "bench": (
        "ricercar.frozen",
        "a benchmark as one file: freeze, check a submission, rank all: ricercar bench --help",
    ),
    "sweep": ("ricercar.sweep", "shows how sweeps go: ricercar sweep status multirun"),
    "check": ("ricercar.data.check", "reads a whole data set, and says what is odd in it"),
    "fetch": ("ricercar.data.fetch", "downloads one of mirdata's data sets"),
    "package": ("ricercar.use.share:package_cli", "packs a finished run into a folder to pass on, with a model card"),
    "push": ("ricercar.use.share:push_cli", "uploads a package, or a run, to the Hugging Face hub"),
    "pull": ("ricercar.use.share:pull_cli", "downloads a package from the Hugging Face hub"),
    "submit": ("ricercar.use.submit", "wraps a finished run as a program that is called as in MIREX"),
    "new": ("ricercar.harness.new", "writes a package to begin with: a backbone, an optimizer, their yamls and a test"),
}
CONFIGS = {"train": "config", "eval": "eval", "check": "check"}  # of those that complete groups, choices and options


def main() -> None:
    """Hands over to the command that is named first."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        sys.argv = [f"{os.path.basename(sys.argv[0])} {name}", *rest]
        module, _, function = COMMANDS[name][0].partition(":")
        getattr(import_module(module), function or "cli")()
    elif name == "completion" and rest[:1] == ["of"]:
        complete(rest[1], os.environ["COMP_LINE"].split())
    elif name == "completion":
        print(completion(rest))
    elif name in ("--version", "-V"):
        print(version("ricercar"))
    elif name in ("--help", "-h", "help"):
        print(_HELP.format("\n".join(f"  {each:12} {what}" for each, (_, what) in COMMANDS.items())))
    else:
        print(f"error: there is no command {name!r}: choose one of {', '.join(COMMANDS)}.", file=sys.stderr)
        sys.exit(2)


_HELP = """ricercar COMMAND ARGUMENTS

{}
  completion   prints what completes with Tab: eval "$(ricercar completion bash)", or zsh

ricercar COMMAND --help tells more."""

_COMPLETION = r"""
_ricercar() {
  local words=($COMP_LINE)
  local word=${words[$COMP_CWORD]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -le 1 ]; then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$word"))
  elif [[ " @CONFIGS@ " == *" ${words[1]} "* ]]; then
    local choices
    choices=$(COMP_LINE="${COMP_LINE#*ricercar }" ricercar completion of "${words[1]}" 2>/dev/null)
    COMPREPLY=($(compgen -o nospace -o default -W "$choices" -- "$word"))
  fi
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _ricercar ricercar"""


def completion(shells: list[str]) -> str:
    """-> what a shell evaluates to complete commands, groups, choices and options with Tab."""
    script = _COMPLETION.replace("@COMMANDS@", " ".join([*COMMANDS, "completion"]))
    script = script.replace("@CONFIGS@", " ".join(CONFIGS))
    if shells == ["bash"]:
        return script
    if shells == ["zsh"]:
        return f"autoload -Uz bashcompinit && bashcompinit{script}"
    print("error: name the shell: ricercar completion bash, or zsh.", file=sys.stderr)
    sys.exit(2)


def complete(name: str, words: list[str]) -> None:
    """Prints what may follow in a command line. Of Hydra alone: the command itself would import torch first."""
    import hydra

    own = [value for flag, value in pairwise(words) if flag == "--config-dir"]
    own += [os.environ["RICERCAR_CONFIG_DIR"]] if "RICERCAR_CONFIG_DIR" in os.environ else []
    sys.argv = [name, *(["--config-dir", own[0]] if own else []), "-sc", "query=bash"]
    conf = str(Path(__file__).parent / "conf")
    hydra.main(version_base="1.3", config_path=conf, config_name=CONFIGS[name])(_nothing)()


def _nothing(cfg: object) -> None:
    """The task of a command that is completed."""


if __name__ == "__main__":
    main()
