"""From what programs say to how they lock: each configured, and each that tells nothing."""

import os
import stat

import pytest
from support import recorded
from support.played import Played

from mailstore.doctor import agents, readers, servers
from mailstore.doctor.machine import Answer, Here, trusted
from mailstore.doctor.report import StaleRule


def one(programs):
    (found,) = programs
    return found


def test_nothing_is_installed():
    machine = Played()
    for probe in (servers.postfix, servers.dovecot, servers.exim, servers.qmail, agents.procmail, agents.maildrop,
                  agents.liblockfile, readers.mutt, readers.neomutt, readers.mailutils, readers.c_client):  # fmt: skip
        assert list(probe(machine)) == []
    assert list(readers.s_nail(machine, True)) == []


def postfix(text):
    return list(servers.postfix(Played({"postconf": "/p"}, {("/p",): text} if text is not None else {})))


def test_postfix_as_configured():
    local, virtual = postfix(recorded.POSTFIX)
    assert (local.key, local.version, local.basis) == ("postfix-local", "3.7.11", "configured")
    assert local.write == ("dotlock", "fcntl")  # never in the order written
    assert (local.gives_up, local.keeps, local.makes, local.without) == (20.0, True, "root", "fails")
    assert local.breaks == StaleRule(age=500.0, clock="ctime")
    assert local.uses_mbox
    assert local.source == "mailbox_delivery_lock = fcntl, dotlock"
    assert (virtual.key, virtual.write, virtual.breaks, virtual.makes) == ("postfix-virtual", ("fcntl",), None, "user")
    assert virtual.uses_mbox


def test_postfix_takes_all_three_in_its_own_order():
    local, _ = postfix("mailbox_delivery_lock = fcntl, flock, dotlock\ndeliver_lock_attempts = 5\n"
                       "deliver_lock_delay = 2s\nstale_lock_time = 1h\n")  # fmt: skip
    assert local.write == ("dotlock", "flock", "fcntl")
    assert (local.gives_up, local.breaks) == (10.0, StaleRule(age=3600.0, clock="ctime"))


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("mailbox_command = procmail", "hands mail over: mailbox_command = procmail"),
        ("mailbox_transport = lmtp:unix:x", "hands mail over: mailbox_transport = lmtp:unix:x"),
        ("home_mailbox = Maildir/", "delivers to a Maildir: home_mailbox = Maildir/"),
    ],
)
def test_postfix_that_writes_no_mbox_itself(line, note):
    local, _ = postfix(f"{line}\n" + recorded.POSTFIX)
    assert not local.uses_mbox
    assert local.notes[-1] == note


def test_postfix_virtual_that_delivers_nothing():
    text = recorded.POSTFIX.replace("hash:/etc/postfix/vmaps", "")
    assert not postfix(text)[1].uses_mbox
    assert not postfix("virtual_transport = lmtp:x\n" + recorded.POSTFIX)[1].uses_mbox


def test_postfix_that_cannot_be_asked():
    for machine in (Played({"postconf": "/p"}), Played({"postconf": "/p"}, {("/p",): Answer("", "fatal", 1)})):
        local, virtual = servers.postfix(machine)
        assert (local.write, local.basis, local.gives_up) == (("dotlock", "fcntl"), "default", 20.0)
        assert local.uses_mbox
        assert virtual.basis == "default"


def dovecot(text):
    return one(servers.dovecot(Played({"doveconf": "/d"}, {("/d", "-a"): text} if text is not None else {})))


def test_dovecot_2_3_of_debian():
    found = dovecot(recorded.DOVECOT)
    assert (found.write, found.read) == (("fcntl", "dotlock"), ("fcntl",))
    assert (found.version, found.basis, found.gives_up) == ("2.3.19.1", "configured", 300.0)
    assert (found.makes, found.without, found.uses_mbox) == ("group:mail", "fails", True)
    assert found.breaks == StaleRule("host", 120.0, "newest", living_pid=True, mailbox=True, kernel=True)


def test_dovecot_2_4():
    found = dovecot(recorded.DOVECOT_24)
    assert (found.write, found.read) == (("dotlock", "flock"), ("fcntl",))
    assert (found.version, found.gives_up, found.without, found.makes) == ("2.4.1-4", 60.0, "goes on", "user")
    assert found.breaks.age == 90.0


def test_dovecot_without_an_mbox():
    found = dovecot(recorded.DOVECOT.replace("mbox:~/mail:INBOX=/var/mail/%u", "maildir:~/Maildir"))
    assert not found.uses_mbox
    assert found.notes == ("keeps mail in maildir:~/Maildir: opens no mbox",)
    mixed = recorded.DOVECOT.replace("mbox:~/mail:INBOX=/var/mail/%u", "maildir:~/Maildir")
    assert dovecot(mixed.replace("  location = ", "  location = mbox:~/old")).uses_mbox
    assert not dovecot(recorded.DOVECOT_24.replace("= mbox", "= sdbox")).uses_mbox


def test_dovecot_that_cannot_be_asked():
    found = dovecot(None)
    assert (found.write, found.read, found.basis) == (("dotlock", "fcntl"), ("fcntl",), "default")
    assert found.uses_mbox


def exim(text):
    answers = {("/e", "-bV"): recorded.EXIM_VERSION, ("/e", "-bP", "transports"): text}
    return list(servers.exim(Played({"exim4": "/e"}, answers)))


def test_exims_transports_that_write_to_a_file():
    spool, flocked = exim(recorded.EXIM)
    assert (spool.name, spool.version, spool.write) == ("Exim mail_spool", "4.96", ("dotlock", "fcntl"))
    assert (spool.makes, spool.gives_up, spool.breaks) == ("group:mail", 30.0, StaleRule(age=1800.0, clock="ctime"))
    assert (flocked.write, flocked.makes, flocked.gives_up) == (("flock",), "user", 15.0)
    assert flocked.breaks.age == 600.0
    assert {spool.basis, flocked.basis} == {"configured"}


def test_exim_that_tells_nothing():
    found = one(exim(Answer("", "exim: permission denied", 1)))
    assert (found.name, found.write, found.basis) == ("Exim", ("dotlock", "fcntl"), "default")


def test_qmail():
    assert one(servers.qmail(Played({"qmail-local": "/q"}))).write == ("flock",)


def test_procmail():
    machine = Played({"procmail": "/p"}, {("/p", "-v"): Answer("", recorded.PROCMAIL, 0)}, {"/p": "mail"})
    found = one(agents.procmail(machine))
    assert (found.write, found.basis, found.version) == (("dotlock", "fcntl"), "compiled", "3.23pre")
    assert (found.gives_up, found.makes, found.without) == (None, "group:mail", "goes on")
    assert one(agents.procmail(Played({"procmail": "/p"}))).basis == "default"


def test_maildrop_and_lockmail():
    programs = {"maildrop": "/m", "lockmail.maildrop": "/l", "dotlockfile": "/f"}
    machine = Played(programs, {("/m", "-v"): recorded.MAILDROP}, {"/m": "mail", "/l": "mail", "/f": "mail"})
    maildrop, lockmail = agents.maildrop(machine)
    assert (maildrop.write, maildrop.version, maildrop.gives_up) == (("dotlock", "fcntl"), "2.9.3", 300.0)
    assert maildrop.without == "fails"
    assert (lockmail.role, lockmail.keeps, lockmail.write) == ("helper", False, ("c-client", "dotlock", "fcntl"))
    dotlockfile = one(agents.liblockfile(machine))
    assert (dotlockfile.role, dotlockfile.write, dotlockfile.makes) == ("helper", ("dotlock",), "group:mail")


def test_mutt():
    machine = Played({"mutt": "/m", "mutt_dotlock": "/d"}, {("/m", "-v"): recorded.MUTT}, {"/d": "mail"})
    found = one(readers.mutt(machine))
    assert (found.write, found.read, found.basis) == (("fcntl", "dotlock"), ("fcntl", "dotlock"), "compiled")
    assert (found.version, found.makes) == ("2.2.12", "group:mail")
    flocking = recorded.MUTT.replace("-USE_FLOCK", "+USE_FLOCK").replace("+USE_DOTLOCK", "-USE_DOTLOCK")
    assert one(readers.mutt(Played({"mutt": "/m"}, {("/m", "-v"): flocking}))).write == ("fcntl", "flock")
    assert one(readers.mutt(Played({"mutt": "/m"}))).basis == "default"


def test_neomutt_knows_no_dotlock():
    found = one(readers.neomutt(Played({"neomutt": "/n"}, {("/n", "-v"): recorded.NEOMUTT})))
    assert (found.write, found.version, found.basis) == (("fcntl",), "20220429", "compiled")


@pytest.mark.parametrize(
    ("text", "write", "basis"),
    [
        (None, ("dotlock",), "default"),
        ("mailbox {}", ("dotlock",), "default"),
        ("locking { type kernel; }", ("fcntl",), "configured"),
        ("locking { type null; }", (), "configured"),
        ("locking { type external; external-locker lockmail; }", ("dotlock",), "configured"),
    ],
)
def test_mailutils(text, write, basis):
    files = {} if text is None else {"/etc/mailutils.conf": text}
    machine = Played({"mail.mailutils": "/u"}, {("/u", "--version"): recorded.MAILUTILS}, files=files)
    found = one(readers.mailutils(machine))
    assert (found.write, found.read, found.basis, found.version) == (write, write, basis, "3.15")
    assert (found.gives_up, found.breaks) == (10.0, None)


def test_mailutils_that_breaks_locks():
    text = "locking { retry-count 3; retry-sleep 2; expire-timeout 600; pid-check yes; }"
    found = one(readers.mailutils(Played({"mailutils": "/u"}, files={"/etc/mailutils.conf": text})))
    assert (found.gives_up, found.breaks) == (6.0, StaleRule("any", 600.0))


def test_s_nail_makes_a_dotlock_in_the_spool_alone():
    programs = {"s-nail": "/s", "s-nail-dotlock": "/h"}
    machine = Played(programs, {("/s", "-V"): recorded.S_NAIL}, {"/h": "mail"})
    assert one(readers.s_nail(machine, False)).write == ("fcntl",)
    found = one(readers.s_nail(machine, True))
    assert (found.write, found.makes, found.version) == (("fcntl", "dotlock"), "group:mail", "14.9.24")


def test_c_clients_programs():
    machine = Played({"alpine": "/a", "mailutil": "/m"}, {("/a", "-v"): recorded.ALPINE})
    alpine, tools = readers.c_client(machine)
    assert (alpine.write, alpine.version) == (("c-client", "dotlock", "flock"), "2.26")
    assert (tools.key, tools.write) == ("uw-tools", alpine.write)


def test_python():
    found = one(readers.python())
    assert (found.write, found.read, found.gives_up, found.keeps) == (("fcntl", "dotlock"), None, 0.0, False)


def script(path, text, mode=0o755):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


def test_a_program_is_run_with_nothing_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setattr("mailstore.doctor.machine.trusted", lambda path: True)
    path = script(tmp_path / "program", 'env; pwd; cat; echo "$@"; echo oops >&2; exit 3')
    answer = Here().ask(path, "-v", "a b; true")
    assert answer is not None
    lines = answer.text.splitlines()
    assert "SECRET=hunter2" not in lines
    assert {"LC_ALL=C", "HOME=/nonexistent", "/"} <= set(lines)
    assert (lines[-1], answer.errors, answer.code) == ("-v a b; true", "oops\n", 3)
    assert answer.both.endswith("oops\n")


def test_a_program_that_hangs_or_cannot_run(tmp_path, monkeypatch):
    monkeypatch.setattr("mailstore.doctor.machine.trusted", lambda path: True)
    monkeypatch.setattr("mailstore.doctor.machine._SECONDS", 0.2)
    assert Here().ask(script(tmp_path / "hangs", "exec sleep 60")) is None
    assert Here().ask(script(tmp_path / "locked", "true", 0o644)) is None
    assert Here().ask(str(tmp_path / "missing")) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root refuses programs of others")
def test_root_runs_no_program_of_others(tmp_path):
    path = script(tmp_path / "program", "echo run")
    assert trusted(path)
    assert Here().ask(path).text == "run\n"
    (tmp_path / "link").symlink_to(path)
    tmp_path.chmod(0o777)
    assert not trusted(path)
    assert not trusted(str(tmp_path / "link"))
    assert Here().ask(path) is None
    tmp_path.chmod(0o755)
    os.chown(path, 65534, -1)
    assert Here().ask(path) is None
    assert not trusted(str(tmp_path / "missing"))


def test_what_is_a_program(tmp_path):
    here = Here()
    path = script(tmp_path / "program", "true")
    assert here.find("no-such-program-at-all", path) == path
    assert here.find(script(tmp_path / "text", "", 0o644)) is None
    assert here.find(str(tmp_path)) is None
    assert here.find("sh") in ("/usr/bin/sh", "/bin/sh")
    assert here.group(path) is None
    os.chmod(path, 0o755 | stat.S_ISGID)
    import grp

    assert here.group(path) == grp.getgrgid(os.stat(path).st_gid).gr_name
    assert here.group(str(tmp_path / "missing")) is None
    assert here.read(path) == "#!/bin/sh\ntrue\n"
    assert here.read(str(tmp_path / "missing")) is None
