"""``mstore deliver`` as mail systems start it: a process, its exit code, what is on the disk."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.system import account
from mailstore_cli import mda

MAIL = b"Subject: hello\n\nbody\n"
SCRIPT = Path(__file__).parents[2] / "cli" / "mstore"
COMMAND = [sys.executable, str(SCRIPT), "deliver"]
NOBODY = pwd.getpwnam("nobody")


def run(*words, data=MAIL, env=None, **options):
    done = subprocess.run(
        [*COMMAND, *map(str, words)], input=data, capture_output=True, timeout=60, check=False,
        env={**os.environ, **(env or {})}, **options,
    )  # fmt: skip
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


@pytest.fixture
def box(tmp_path):
    open_store(f"maildir:{tmp_path}/m", create=True).close()
    return tmp_path / "m"


def bodies(location, folder="INBOX"):
    with open_store(location, readonly=True) as store:
        return [message.bytes() for message in store.folder(folder)]


def test_delivered(box):
    assert run("-f", "ann@x", "--recipient=joe@y", box) == (0, "")
    assert bodies(f"maildir:{box}") == [b"Return-Path: <ann@x>\nDelivered-To: joe@y\n" + MAIL]


@pytest.mark.parametrize("form", ["mbox:{}/new", "maildir:{}/new", "sqlite:{}/new.db", "{}/new/"])
def test_into_what_is_not_there_yet(tmp_path, form):
    location = form.format(tmp_path)
    code, said = run(location)
    assert code == 75
    assert said.startswith("mstore: ")
    assert said.count("\n") == 1
    assert run("--create", location) == (0, "")
    assert bodies(location) == [MAIL]


@pytest.mark.parametrize(
    "words",
    [
        (), ("--nonsense", "/tmp/x"), ("a", "b"), ("-f",), ("--once", "luck", "/x"), ("--exit-style", "sendmail", "/x"),
        ("--create=yes", "/x"), ("bogus:/x",), ("memory:?nonsense=1",), ("--lock-timeout", "soon", "/x"), ("",), ("-",),
        ("-d", "root", "%x"), ("/etc/passwd",), ("/dev/null",), ("-u", "root", "/proc/nonsense"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_mistake_bounces_no_mail(words):
    code, said = run(*words)
    assert code == 75
    assert said.startswith("mstore: ")
    assert "Traceback" not in said


@pytest.mark.parametrize(("style", "temporary", "nobody"), [("postfix", 75, 67), ("exim", 75, 67), ("qmail", 111, 100)])
def test_exit_styles(box, style, temporary, nobody):
    assert run("--exit-style", style, "-d", "no-such-user-here")[0] == nobody
    assert run("--exit-style", style, "-d", "../etc", "/home/%u")[0] == nobody
    assert run("--exit-style", style, box / "nothing")[0] == temporary
    assert run("--exit-style", style, "--nonsense")[0] == temporary
    assert run("--exit-style", style, box, data=b"")[0] == temporary


@pytest.mark.parametrize("words", [("-fann@qmail.org", "mbox:/nonsense"), ("-r", "joe@qmail.org", "--nonsense")])
def test_an_address_says_nothing_of_the_exit_style(words):
    """These are left to click; 111 would bounce the mail."""
    assert run(*words)[0] == 75
    assert run("--exit-style=qmail", *words)[0] == run(*words, "--exit-style", "qmail")[0] == 111


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("words", [("-m", "nowhere"), ("--quota", "/nonsense")])
def test_what_cannot_be_said_fails_no_delivery(box, words, closing):
    command = ["sh", "-c", f'exec "$@" {closing}', "sh", *COMMAND, *words, f"maildir:{box}"]
    assert subprocess.run(command, input=MAIL, check=False).returncode == 0
    assert bodies(f"maildir:{box}") == [MAIL]


def test_help_is_help():
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, check=True, text=True)
    assert "Usage: mstore deliver" in done.stdout


def test_folders_and_sub_addresses(box):
    code, said = run("-m", "lists", box)
    assert (code, said) == (0, "mstore: there is no folder lists: delivered to INBOX\n")
    assert run("-m", "lists", "--create", box) == (0, "")
    assert run("-r", "joe+lists@y", box) == (0, "")
    assert run("-r", "joe+lists@y", "--sub-address", box) == (0, "")
    assert run("-r", "joe-lists@y", "--sub-address", "--separator", "-", box) == (0, "")
    assert len(bodies(f"maildir:{box}")) == 2
    assert len(bodies(f"maildir:{box}", "lists")) == 3


def test_once(box):
    mail = b"Message-ID: <1@x>\n" + MAIL
    assert [run("--once", "message-id", box, data=mail)[0] for _ in range(3)] == [0, 0, 0]
    assert bodies(f"maildir:{box}") == [mail]


def test_templates(tmp_path):
    place = "maildir:" + str(tmp_path) + "/%d/%n"
    (tmp_path / "example.org").mkdir()
    own = () if os.geteuid() else ("-u", "root")
    assert run("-d", "joe@example.org", *own, "--create", place) == (0, "")
    assert bodies(f"maildir:{tmp_path}/example.org/joe") == [MAIL]


def test_a_large_message(box):
    mail = MAIL + b"x" * 70 + b"\n" * 3_000_000
    assert run(box, data=mail) == (0, "")
    assert bodies(f"maildir:{box}") == [mail]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU])
@pytest.mark.parametrize("form", ["maildir:{}/m", "mbox:{}/b", "sqlite:{}/s.db"])
def test_a_signal_is_a_temporary_failure(tmp_path, number, form):
    """It comes while the message is still on its way in: nothing is stored and nothing is left."""
    location = form.format(tmp_path)
    open_store(location, create=True).close()
    before = sorted(tmp_path.rglob("*"))
    reader, writer = os.pipe()
    process = subprocess.Popen([*COMMAND, location], stdin=reader, stderr=subprocess.PIPE)
    os.close(reader)
    os.write(writer, MAIL + b"x" * 100_000)  # more than a pipe holds: it has begun to read
    time.sleep(0.05)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1].decode()
    os.close(writer)
    assert (process.returncode, said) == (75, f"mstore: interrupted by signal {int(number)}\n")
    assert bodies(location) == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGBUS])
@pytest.mark.parametrize("style", ["postfix", "qmail"])
def test_whatever_kills_it_at_work_is_a_temporary_failure(tmp_path, number, style):
    """A store is opened in a process of its own: SQLite maps files, and a full disk kills whoever has done so."""
    location = f"sqlite:{tmp_path}/s.db"
    open_store(location, create=True).close()
    reader, writer = os.pipe()
    words = [*COMMAND, "--once", "content", "--exit-style", style, location]
    process = subprocess.Popen(words, stdin=reader, stderr=subprocess.PIPE)
    os.close(reader)
    os.write(writer, MAIL + b"x" * 100_000)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (found := children.read_text().split()):
        time.sleep(0.01)
    os.kill(int(found[0]), number)
    said = process.communicate(timeout=60)[1].decode()
    os.close(writer)
    assert (process.returncode, said) == (
        mda.STYLES[style]["temporary"],
        f"mstore: interrupted by signal {int(number)}\n",
    )
    assert bodies(location) == []


def test_a_broken_installation_bounces_no_mail(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "deliver", str(tmp_path)],
        input=MAIL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 75
    assert done.stderr.startswith(b"mstore: mailstore cannot be loaded: ModuleNotFoundError")


def test_without_memory(box):
    """Whatever fails for want of memory, from loading to delivering, is temporary, and success is success."""
    codes = set()
    for limit in range(12, 60, 2):
        done = subprocess.run(
            ["prlimit", f"--as={limit << 20}", *COMMAND, str(box)], input=MAIL, capture_output=True, check=False
        )
        if b"Fatal Python error" in done.stderr or b"error while loading shared" in done.stderr:
            continue  # the interpreter itself has not come up
        codes.add(done.returncode)
    assert codes <= {0, 75}
    assert 0 in codes


def test_standard_input_is_closed(box):
    done = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *COMMAND, str(box)], capture_output=True, check=False)
    assert done.returncode == 75
    assert bodies(f"maildir:{box}") == []


def test_the_quick_reader_and_click_agree():
    words = ["-f", "a@b", "--recipient", "c@d", "-m", "x", "-d", "joe", "--once=content", "--create", "place"]
    values = mda.parse(words)
    assert values is not None
    assert {name: value for name, value in values.items() if value is not None} == {
        "sender": "a@b", "recipient": "c@d", "folder": "x", "user": "joe", "once": "content", "create": "yes",
        "location": "place", "separator": "+", "over_quota": "temporary", "exit_style": "postfix", "lock_timeout": "60",
    }  # fmt: skip
    assert mda.parse(["-f", "", "x"])["sender"] == ""
    for refused in (["--help"], ["-x"], ["a", "b"], ["-f"], ["--create=1"], ["-fa@b"], ["--once", "luck"]):
        assert mda.parse(refused) is None


def test_a_delivery_to_a_maildir_loads_next_to_nothing(box):
    script = (
        "import sys, os; before = set(sys.modules); from mailstore_cli import mda; "
        f"code = mda.run([{str(box)!r}]); print(code, *sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], input=MAIL, capture_output=True, check=True, env=environment
    )
    code, *names = done.stderr.decode().split()
    assert code == "0"
    assert {name for name in names if not name.startswith("mailstore")} <= {"__future__", "errno", "time", "_signal"}
    assert len(names) < 22


# --- root


root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.mark.root
@root
def test_root_becomes_the_user():
    """The interpreter may lie where nobody else can read, so this is the delivery that loads nothing."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        box = Path(directory) / "joe"
        open_store(f"maildir:{box}", create=True).close()
        for path in (box, *box.rglob("*")):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        assert run("-u", "nobody", "-d", "joe@example.org", f"maildir:{directory}/%n") == (0, "")
        (mail,) = (box / "new").iterdir()
        assert (mail.stat().st_uid, mail.stat().st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
        assert mail.read_bytes() == MAIL


@pytest.fixture(scope="module")
def closed_code():
    """A copy of the code that root alone can read."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ("mailstore", "cli"):
            shutil.copytree(
                SCRIPT.parents[1] / name, Path(directory) / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        yield Path(directory)


@pytest.mark.root
@root
@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("mbox:{}/box", ()),
        ("mbox:{}/box", ("--once", "message-id")),
        ("sqlite:{}/s.db", ()),
        ("maildir:{}/m?layout=fs", ("-m", "lists", "--create")),
    ],
)
def test_root_becomes_a_user_who_cannot_read_the_code(closed_code, form, words):
    """All that may be needed is loaded before, what tells of a failure included."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        home = Path(directory) / "home"
        home.mkdir()
        location = form.format(home)
        with open_store(location, create=True) as store:
            store.inbox.append(b"A: b\n\nc\n")
        for path in (home, *home.rglob("*")):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        env = {
            "PYTHONPATH": f"{closed_code}:{closed_code}/cli",
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_STATE_HOME": str(home),
        }
        script = [sys.executable, str(closed_code / "cli" / "mstore"), "deliver", "-u", "nobody", *words, location]
        done = subprocess.run(script, input=MAIL, env={**os.environ, **env}, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert bodies(location, words[1] if "-m" in words else "INBOX")[-1] == MAIL
        for path in home.rglob("*"):
            assert path.stat().st_uid == NOBODY.pw_uid
        home.chmod(0)
        done = subprocess.run(script, input=MAIL, env={**os.environ, **env}, capture_output=True, check=False)
        assert done.returncode == 75
        assert done.stderr.startswith(b"mstore: " + bytes(home))  # not that something cannot be loaded


@pytest.mark.root
@root
def test_root_does_not_write_into_somebodys_mail(box):
    for path in (box, *box.rglob("*")):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    code, said = run(box)
    assert code == 75
    assert "root becomes that user first" in said
    assert bodies(f"maildir:{box}") == []


@pytest.mark.root
@root
def test_root_makes_nothing_in_somebodys_directory(tmp_path):
    """Nor does it follow a link there to what is root's."""
    home, own = tmp_path / "home", tmp_path / "own"
    home.mkdir()
    open_store(f"maildir:{own}", create=True).close()
    (home / "Maildir").symlink_to(own)
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    for words in (("--create", f"maildir:{home}/far/below/it"), (f"maildir:{home}/Maildir",)):
        code, said = run(*words)
        assert code == 75
        assert said.startswith(f"mstore: {home} belongs to user {NOBODY.pw_uid}: ")
    assert os.listdir(home) == ["Maildir"]
    assert bodies(f"maildir:{own}") == []


@pytest.mark.root
@root
def test_an_interpreter_that_the_user_cannot_read_is_seen(monkeypatch):
    """Also where the user cannot even see that there is a directory."""
    with tempfile.TemporaryDirectory() as directory:
        hidden = Path(directory) / "lib"
        hidden.mkdir()
        monkeypatch.setattr(sys, "path", [str(hidden)])
        assert Path(directory).stat().st_mode & 0o777 == 0o700
        assert not account.can_load("nobody")


@pytest.mark.root
@root
def test_the_user_cannot_send_root_elsewhere(tmp_path):
    """A link that the user planted leads root nowhere: root has become the user before it looks."""
    secret = tmp_path / "secret"
    open_store(f"maildir:{secret}", create=True).close()
    secret.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(secret)
    code, _ = run("-u", "nobody", f"maildir:{link}")
    assert code == 75
    assert bodies(f"maildir:{secret}") == []


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "soon", ""])
def test_a_time_that_is_none_makes_the_mail_wait(tmp_path, seconds):
    mstore = str(Path(__file__).parents[2] / "cli/mstore")
    done = subprocess.run(
        [sys.executable, mstore, "deliver", f"--lock-timeout={seconds}", f"maildir:{tmp_path}/M", "--create"],
        input=b"Subject: x\n\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == (75 if seconds else 0)
    assert seconds == "" or b"a number of seconds is wanted" in done.stderr
