"""The command line itself: help, usage errors, defects, interrupts, completion, what is imported."""

import os
import shlex
import shutil
import subprocess
import sys

import click
import pytest

import mailstore
from mailstore_cli.main import COMMANDS
from mailstore_cli.main import mstore as group


def commands(command=group, path=("mstore",)):
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*path, name))


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_with_examples_at_every_level(mstore, path):
    ran = mstore(*path[1:], "--help")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.text == mstore(*path[1:], "-h").text
    assert "Examples:\n    mstore" in ran.text.replace("eval", "mstore")
    assert max(map(len, ran.lines)) <= 80
    assert all(option.help for option in ALL[path].params if isinstance(option, click.Option))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_short_help_says_it_all(path):
    command = ALL[path]
    assert not command.get_short_help_str(limit=60).endswith("...")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("--nonsense",),
        ("ls",),
        ("ls", "memory:", "extra"),
        ("ls", "memory:", "--nonsense"),
        ("ls", "memory:", "--folder"),
        ("flag", "memory:", "1", "-a", "seen", "--lock-timeout", "soon"),
        ("flag", "memory:", "1", "-a", "seen", "--lock-timeout", "-1"),
        ("completion", "tcsh"),
        ("folder", "nonsense"),
        ("ls", ""),
        ("ls", "bogus:/x"),
        ("ls", "memory:?nonsense=1"),
    ],
    ids=" ".join,
)
def test_usage_errors(mstore, arguments):
    ran = mstore(*arguments)
    assert (ran.exit_code, ran.stdout) == (64, b"")
    assert ran.stderr.startswith("mstore: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("folder",), ("doctor",)])
def test_no_command_shows_the_help_and_is_no_success(mstore, arguments):
    ran = mstore(*arguments)
    assert (ran.exit_code, ran.stdout) == (64, b"")
    assert ran.stderr.startswith("Usage: mstore")


def test_version(mstore):
    assert mstore("--version").text == f"mstore {mailstore.__version__}\n"
    assert mstore("-V").text == mstore("--version").text


def test_an_error_with_json_is_an_object_too(mstore):
    ran = mstore("ls", "bogus:/x", "--json")
    assert ran.exit_code == 64
    error = ran.object["error"]
    assert (error["kind"], error["temporary"], error["exit_code"]) == ("LocationError", False, 64)
    assert ran.stderr == f"mstore: {error['message']}\n"
    assert mstore("ls", "--json").object["error"]["kind"] == "UsageError"


def test_a_temporary_error_says_try_again(mstore, memory, monkeypatch):
    def busy(self):
        raise mailstore.StoreBusy("mail is locked by another program", path="mail", waited=1.0)

    monkeypatch.setattr(mailstore.Store, "folders", busy)
    ran = mstore("info", memory, "--json")
    assert ran.exit_code == 75
    assert ran.object["error"] == {
        "kind": "StoreBusy",
        "message": "mail is locked by another program",
        "temporary": True,
        "exit_code": 75,
    }


def test_a_defect_is_one_line_and_a_traceback_only_on_demand(mstore, memory, monkeypatch):
    def broken(self):
        raise ZeroDivisionError("hostile \x1b[31m\ntext")

    monkeypatch.setattr(mailstore.Store, "folders", broken)
    ran = mstore("info", memory)
    assert (ran.exit_code, ran.stdout) == (70, b"")
    assert ran.stderr == (
        "mstore: this is a defect of mstore: ZeroDivisionError: hostile \\x1b[31m\\x0atext "
        "(MSTORE_DEBUG=1 shows where)\n"
    )
    monkeypatch.setenv("MSTORE_DEBUG", "1")
    assert "Traceback (most recent call last)" in mstore("info", memory).stderr


def test_an_interrupt_is_clean(mstore, memory, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(mailstore.Store, "folders", interrupted)
    ran = mstore("info", memory)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (130, b"", "mstore: interrupted\n")


def test_hostile_text_in_an_error_is_neutral(mstore, memory):
    ran = mstore("ls", memory, "-f", "evil\x1b[31m\u202ename")
    assert ran.exit_code == 66
    assert "\x1b" not in ran.stderr
    assert "\u202e" not in ran.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(mstore, shell, tmp_path):
    ran = mstore("completion", shell)
    assert ran.exit_code == 0
    assert f"_MSTORE_COMPLETE={shell}_complete" in ran.text
    program = shutil.which(shell)
    if program is not None:
        (tmp_path / "script").write_bytes(ran.stdout)
        assert subprocess.run([program, "-n", tmp_path / "script"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mstore", "co"], {"convert", "copy", "completion"}),
        (["mstore", "folder", "un"], {"unsubscribe"}),
        (["mstore", "ls", "--re"], {"--recursive"}),
        (["mstore", "ls", "mai"], {"maildir:"}),
        (["mstore", "completion", "f"], {"fish"}),
    ],
)
def test_completions(process, words, expected):
    environment = {
        "_MSTORE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    ran = process(env=environment)
    assert {line.partition(",")[2] for line in ran.lines} >= expected
    assert all(line.partition(",")[2].startswith(words[-1]) for line in ran.lines)


def test_paths_are_completed_after_a_format(tmp_path, monkeypatch):
    from click.shell_completion import ShellComplete

    for name in ("Maildir", "Mail archive", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "Mail.db").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    complete = ShellComplete(group, {}, "mstore", "_MSTORE_COMPLETE")

    def completions(text):
        return [item.value for item in complete.get_completions(["info"], text)]

    assert completions("maildir:Mail") == ["maildir:Mail archive/", "maildir:Mail.db", "maildir:Maildir/"]
    assert completions("maildir:~/Maild") == ["maildir:~/Maildir/"]
    assert completions(f"sqlite:{tmp_path}/Mail.") == [f"sqlite:{tmp_path}/Mail.db"]
    assert completions("maildir:.h") == ["maildir:.hidden/"]
    assert completions("maildir:/no/such/") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_location(mstore, mstore_command, tmp_path):
    (tmp_path / "completion").write_bytes(mstore("completion", "bash").stdout)
    (tmp_path / "mstore").write_text(f'#!/bin/sh\nexec {shlex.join(mstore_command)} "$@"\n')
    (tmp_path / "mstore").chmod(0o755)
    (tmp_path / "Maildir").mkdir()
    script = (
        "source ./completion; case $COMP_WORDBREAKS in *:*) exit 1;; esac; complete -p mstore\n"
        'COMP_WORDS=(mstore ls maildir:./Mai); COMP_CWORD=2; _mstore_completion ./mstore; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1] == "maildir:./Maildir/"


def test_folders_are_completed(memory):
    from click.shell_completion import ShellComplete

    complete = ShellComplete(group, {}, "mstore", "_MSTORE_COMPLETE")
    names = [item.value for item in complete.get_completions(["ls", memory, "-f"], "Arch")]
    assert names == ["Archive", "Archive/2024"]
    assert [item.value for item in complete.get_completions(["folder", "delete", memory], "I")] == ["INBOX"]
    assert [item.value for item in complete.get_completions(["copy", "memory:", memory, "-t"], "A")] == names
    assert complete.get_completions(["ls", "bogus:/x", "-f"], "Arch") == []
    assert complete.get_completions(["ls", "-f"], "Arch") == []


def imported_by(*arguments):
    """Return the modules that a command imports, in a fresh interpreter."""
    script = (
        "import sys\n"
        "from mailstore_cli.main import run\n"
        f"sys.argv = ['mstore', *{list(arguments)!r}]\n"
        "try: run()\n"
        "finally: print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )
    return set(done.stderr.splitlines())


def test_only_the_command_asked_for_is_imported():
    modules = imported_by("ls", "memory:")
    assert "mailstore_cli.ls" in modules
    others = {module.partition(":")[0] for module in COMMANDS.values()} - {"mailstore_cli.ls"}
    assert not modules & others
    assert not modules & {"tqdm", "apsw", "zstandard", "asyncio", "socket", "email.utils", "importlib.metadata"}
