"""Many accounts in one run: each in its own process, none a reason to stop, stopped and begun again at will."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mailstore import Arrival, CannotCreate, UsageError, open_store
from mailstore.convert import Options, Pace, Progress, verify_stores
from mailstore.convert.workers import Tell
from mailstore.migrate import Account, Migration, Result, find_accounts, migrate, report_page
from mailstore.migrate import run as run_module
from mailstore.migrate.order import Turns, about, in_order
from mailstore.migrate.work import Task, work


def fill(base: Path, user: str, count: int, folder: str = "INBOX") -> None:
    """Put ``count`` messages into a Maildir of the user's."""
    for name in ("old", "new"):
        (base / name).mkdir(exist_ok=True)
    with open_store(f"maildir:{base}/old/{user}", create=True) as store:
        bodies = (f"Subject: {user} {number}\n\n".encode() + b"text\n" * (number % 50) for number in range(count))
        store.folder(folder, create=True).append_many(map(Arrival, bodies))


@pytest.fixture
def three(tmp_path: Path) -> list[Account]:
    """Accounts of different sizes: ann 3, bob 20, cleo 8."""
    for user, count in (("ann", 3), ("bob", 20), ("cleo", 8)):
        fill(tmp_path, user, count)
    return find_accounts(f"maildir:{tmp_path}/old/{{user}}", f"sqlite:{tmp_path}/new/{{user}}.db")


def run(accounts: list[Account], **settings: object) -> Migration:
    return migrate(accounts, **{"owner": "keep", **settings})  # type: ignore[arg-type]


def states(migration: Migration) -> dict[str, str]:
    return {result.account.user: result.status for result in migration.results}


def same(account: Account) -> bool:
    with open_store(account.source, readonly=True) as old, open_store(account.destination, readonly=True) as new:
        return verify_stores(old, new).same


def assert_no_children() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("jobs", [1, 2, 0])
def test_all_accounts_arrive(three: list[Account], jobs: int) -> None:
    migration = run(three, jobs=jobs)
    assert states(migration) == {"ann": "done", "bob": "done", "cleo": "done"}
    assert (migration.ok, migration.interrupted) == (True, False)
    assert migration.counts == {"done": 3, "failed": 0, "interrupted": 0, "waiting": 0}
    assert [one.report and one.report.copied for one in migration.results] == [3, 20, 8]
    assert all(same(account) for account in three)
    again = run(three, jobs=jobs)
    assert [(one.status, one.report and one.report.copied) for one in again.results] == [("done", 0)] * 3
    assert_no_children()


def test_each_account_is_told_of(three: list[Account]) -> None:
    told: list[tuple[str, str]] = []

    def watch(account: Account, what: Progress | Result) -> None:
        told.append((account.user, type(what).__name__))

    run(three, jobs=1, watch=watch)
    assert [user for user, kind in told if kind == "Result"] == ["bob", "cleo", "ann"]  # the largest first
    assert {user for user, kind in told if kind == "Progress"} == {"ann", "bob", "cleo"}


def test_a_table_says_which_folders(tmp_path: Path) -> None:
    fill(tmp_path, "ann", 2)
    fill(tmp_path, "ann", 3, "Trash")
    account = Account("ann", f"maildir:{tmp_path}/old/ann", f"sqlite:{tmp_path}/new/a.db", "", (), ("Tr*",))
    (result,) = run([account], options=Options(exclude=("INBOX",))).results
    assert result.report is not None
    assert [str(folder.folder) for folder in result.report.folders] == ["INBOX"]


# --- what goes wrong with one


def for_bob(action: Callable[[], object]) -> Callable[[Task, Tell], Result]:
    """Return the work of an account's process, with ``action`` before it where the account is bob's."""

    def other(task: Task, tell: Tell) -> Result:
        if task.account.user == "bob":
            action()
        return work(task, tell)

    return other


def end_by(number: signal.Signals) -> None:
    faulthandler.disable()
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGBUS])
def test_a_process_that_dies_is_one_account(
    three: list[Account], number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "work", for_bob(lambda: end_by(number)))
    migration = run(three)
    assert states(migration) == {"ann": "done", "bob": "failed", "cleo": "done"}
    bob = migration.results[1]
    assert (bob.error, bob.report) == ("Died", None)
    assert bob.reason == f"its process was killed by {number.name}; run it again, and it goes on"
    monkeypatch.undo()
    assert run(three).ok
    assert all(same(account) for account in three)


def test_a_process_that_has_ended_is_not_stopped() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not run_module._is_halted(pid)
    os.waitpid(pid, 0)


def test_a_process_that_is_stopped_goes_on(three: list[Account], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "work", for_bob(lambda: os.kill(os.getpid(), signal.SIGSTOP)))
    migration = run(three, jobs=1)
    assert states(migration) == {"ann": "done", "bob": "done", "cleo": "done"}


def test_a_process_that_is_stopped_for_ever_is_one_account(
    three: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    def halt() -> None:
        while True:
            os.kill(os.getpid(), signal.SIGSTOP)

    monkeypatch.setattr(run_module, "work", for_bob(halt))
    monkeypatch.setattr(run_module, "_LOOK", 0.01)
    migration = run(three)
    assert states(migration) == {"ann": "done", "bob": "failed", "cleo": "done"}
    (reason,) = (one.reason for one in migration.results if one.reason)
    assert reason == "its process was stopped again and again; run it again, and it goes on"
    assert_no_children()


def test_a_defect_is_one_account(three: list[Account], monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("nothing by nothing")

    monkeypatch.setattr("mailstore.migrate.work._take_on", stumble)
    (result,) = run(three[:1]).results
    assert (result.status, result.error) == ("failed", "ZeroDivisionError")
    assert result.reason == "this is a defect of mailstore: ZeroDivisionError: nothing by nothing"


def test_what_cannot_be_read_or_written_is_one_account(three: list[Account], tmp_path: Path) -> None:
    accounts = [
        three[0],
        Account("gone", f"maildir:{tmp_path}/old/gone", f"sqlite:{tmp_path}/new/gone.db"),
        Account("full", f"maildir:{tmp_path}/old/cleo", f"sqlite:{tmp_path}/new/ann.db/x/full.db"),
        three[1],
    ]
    migration = run(accounts, jobs=1)
    assert [(one.status, one.error) for one in migration.results] == [
        ("done", ""),
        ("failed", "NoSuchStore"),
        ("failed", "CannotCreate"),
        ("done", ""),
    ]
    assert not migration.ok


def test_losses_are_refused_account_by_account(three: list[Account], tmp_path: Path) -> None:
    fill(tmp_path, "bob", 1, "Sent")
    for user in ("ann", "bob"):
        (tmp_path / "new" / user).touch()  # an mbox file holds INBOX alone
    accounts = [Account(one.user, one.source, f"mbox:{tmp_path}/new/{one.user}") for one in three[:2]]
    migration = run(accounts)
    assert states(migration) == {"ann": "done", "bob": "failed"}
    assert migration.results[1].error == "LossRefused"
    allowed = run(accounts, options=Options(allow_loss=frozenset({"folders", "subscriptions"})))
    assert states(allowed) == {"ann": "done", "bob": "done"}
    assert allowed.results[1].given_up == ("Sent",)
    assert not allowed.ok


def test_a_message_that_failed_fails_its_account(tmp_path: Path) -> None:
    fill(tmp_path, "ann", 2)
    os.symlink("nowhere", tmp_path / "old/ann/cur/1700000000.M1P1.host:2,S")
    account = Account("ann", f"maildir:{tmp_path}/old/ann", f"sqlite:{tmp_path}/new/ann.db")
    (result,) = run([account]).results
    assert (result.status, result.error) == ("failed", "")
    assert result.report is not None
    assert (result.report.copied, result.report.failed) == (2, 1)


def test_no_more_are_begun_after_too_many_errors(tmp_path: Path) -> None:
    fill(tmp_path, "ann", 1)
    accounts = [Account(f"u{n}", f"maildir:{tmp_path}/none/{n}", f"sqlite:{tmp_path}/new/{n}.db") for n in range(5)]
    accounts.append(Account("ann", f"maildir:{tmp_path}/old/ann", f"sqlite:{tmp_path}/new/ann.db"))
    migration = run(accounts, jobs=1, max_errors=2)
    assert migration.counts == {"done": 1, "failed": 2, "interrupted": 0, "waiting": 3}
    assert not migration.interrupted
    assert states(migration)["ann"] == "done"  # it was the largest, and so the first


# --- stopped and begun again


def test_a_stop_between_accounts(three: list[Account]) -> None:
    over: list[str] = []

    def watch(account: Account, what: Progress | Result) -> None:
        if isinstance(what, Result):
            over.append(account.user)

    migration = run(three, jobs=1, watch=watch, stop=lambda: bool(over))
    assert over == ["bob"]
    assert states(migration) == {"ann": "waiting", "bob": "done", "cleo": "waiting"}
    assert migration.interrupted
    assert run(three).ok


def test_a_stop_within_an_account(tmp_path: Path) -> None:
    """The pace makes it wait after its first batch; the stop comes then, and what was copied is not copied twice."""
    fill(tmp_path, "ann", 12)
    account = Account("ann", f"maildir:{tmp_path}/old/ann", f"maildir:{tmp_path}/new/ann")
    begun: list[Account] = []

    def watch(account: Account, what: Progress | Result) -> None:
        begun.append(account)

    migration = run([account], options=Options(pace=Pace(messages=0.05)), watch=watch, stop=lambda: bool(begun))
    (result,) = migration.results
    assert (result.status, result.error) == ("interrupted", "")
    assert result.report is not None
    assert migration.interrupted
    assert run([account]).ok
    assert same(account)


def test_a_stop_that_is_not_heeded_kills(three: list[Account], monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pause()

    over: list[str] = []

    def watch(account: Account, what: Progress | Result) -> None:
        if isinstance(what, Result):
            over.append(account.user)

    monkeypatch.setattr(run_module, "work", for_bob(deaf))
    monkeypatch.setattr(run_module, "_GRACE", 0.0)
    migration = run(three, jobs=2, watch=watch, stop=lambda: len(over) == 2)
    assert states(migration) == {"ann": "done", "bob": "interrupted", "cleo": "done"}
    assert_no_children()


def test_what_the_caller_raises_leaves_no_process(three: list[Account]) -> None:
    def watch(account: Account, what: Progress | Result) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(three, jobs=3, watch=watch)
    assert_no_children()
    assert run(three).ok
    assert all(same(account) for account in three)


# --- places and order


def test_journals_and_messages_set_aside_have_a_place(three: list[Account], tmp_path: Path) -> None:
    journals = tmp_path / "state" / "journals"
    assert run(three, journals=str(journals), rejected=str(tmp_path / "aside")).ok
    names = ["accounts.turns", "ann.journal", "bob.journal", "cleo.journal"]
    assert sorted(entry.name for entry in journals.iterdir()) == names
    assert list((tmp_path / "new").glob(".*journal")) == []
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreate, match="no place for the accounts' journals"):
        run(three, journals=str(tmp_path / "file"))


def test_unfinished_accounts_come_first_then_large_ones(three: list[Account], tmp_path: Path) -> None:
    assert [three[at].user for at in in_order(three, {})] == ["bob", "cleo", "ann"]
    assert [three[at].user for at in in_order(three, {"bob": "done", "ann": "failed"})] == ["cleo", "ann", "bob"]
    turns = Turns(str(tmp_path))
    assert turns.last() == {}
    turns.note(Result(three[0], "failed"))
    turns.note(Result(three[1], "done"))
    turns.note(Result(three[0], "done"))
    with (tmp_path / "accounts.turns").open("a") as file:
        file.write("failed\tbo")  # torn by a crash
    assert turns.last() == {"ann": "done", "bob": "done"}
    assert Turns(None).last() == {}


def test_turns_that_cannot_be_noted_stop_nothing(three: list[Account], tmp_path: Path) -> None:
    (tmp_path / "journals/accounts.turns").mkdir(parents=True)
    assert run(three, journals=str(tmp_path / "journals")).ok


def test_sizes_are_guessed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 500)
    assert about(str(tmp_path / "file")) == 500
    assert about(str(tmp_path / "none")) == 0
    assert about(str(tmp_path)) == 500


def test_a_dry_run_changes_nothing(three: list[Account], tmp_path: Path) -> None:
    migration = run(three, dry_run=True, journals=str(tmp_path / "journals"))
    planned = [(one.status, one.plan and one.plan.messages) for one in migration.results]
    assert planned == [("done", 3), ("done", 20), ("done", 8)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new", "old"]
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "new" / "ann").touch()
    fill(tmp_path, "ann", 1, "Sent")
    (lossy,) = run([Account("ann", three[0].source, f"mbox:{tmp_path}/new/ann")], dry_run=True).results
    assert (lossy.status, lossy.plan and [loss.name for loss in lossy.plan.losses]) == ("done", ["folders"])
    page = report_page(Migration([lossy]), "Plan")
    assert '<td class="folder">Sent' in page
    assert "Would be lost (<code>folders</code>)" in page


def test_arguments_that_make_no_sense(three: list[Account]) -> None:
    with pytest.raises(UsageError, match="an account is there twice"):
        run([three[0], three[0]])
    with pytest.raises(UsageError, match="max_errors"):
        run(three, max_errors=0)
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with pytest.raises(UsageError, match="a process with threads cannot migrate"):
            run(three)
    finally:
        release.set()
        thread.join()


def test_low_priority_is_the_accounts_alone(three: list[Account], monkeypatch: pytest.MonkeyPatch) -> None:
    def give_way() -> bool:
        raise ZeroDivisionError  # told to the parent

    monkeypatch.setattr("mailstore.system.priority.give_way", give_way)
    assert [one.error for one in run(three[:1], idle=True).results] == ["ZeroDivisionError"]
    assert run(three[:1]).ok
