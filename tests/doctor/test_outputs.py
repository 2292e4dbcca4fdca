"""What programs print: recorded, and made up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import recorded

from mailstore.doctor import outputs
from mailstore.doctor.outputs import seconds, settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500s", 500.0),
        ("1s", 1.0),
        ("5 mins", 300.0),
        ("2 minutes", 120.0),
        ("30m", 1800.0),
        ("1h30m", 5400.0),
        ("2 hours", 7200.0),
        ("1d", 86400.0),
        ("1w", 604800.0),
        ("200 msecs", 0.2),
        ("45 secs", 45.0),
        ("0", 0.0),
        ("600", 600.0),
        ("", None),
        ("never", None),
        ("5 fortnights", None),
    ],
)
def test_times(text, expected):
    assert seconds(text) == expected


@given(st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(["s", "m", "h", "d", "w"])), min_size=1, max_size=4))
def test_times_add_up(parts):
    size = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    assert seconds("".join(f"{n}{unit}" for n, unit in parts)) == sum(n * size[unit] for n, unit in parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fcntl, dotlock", ("fcntl", "dotlock")),
        ("dotlock flock fcntl", ("dotlock", "flock", "fcntl")),
        ("dotlocking, fcntl(), lockf(), flock()", ("dotlock", "fcntl", "flock")),
        ("dotlock_try fcntl", ("dotlock", "fcntl")),
        ("", ()),
        ("fcntlish", ()),
    ],
)
def test_methods(text, expected):
    assert outputs.methods(text) == expected


@given(st.permutations(["fcntl", "flock", "dotlock"]), st.integers(0, 3), st.sampled_from([" ", ", ", ","]))
def test_methods_keep_their_order(order, count, separator):
    assert outputs.methods(separator.join(order[:count])) == tuple(order[:count])


def test_postconf():
    found = settings(recorded.POSTFIX)
    assert found["mailbox_delivery_lock"] == "fcntl, dotlock"
    assert found["home_mailbox"] == ""
    assert len(found) == 11


def test_doveconf_of_both_spellings():
    old = settings(recorded.DOVECOT)
    assert (old["mbox_write_locks"], old["mbox_read_locks"]) == ("fcntl dotlock", "fcntl")
    assert old["namespace inbox/location"] == ""
    assert old["namespace inbox/mailbox Drafts/auto"] == "no"
    new = settings(recorded.DOVECOT_24)
    assert (new["mbox_write_locks"], new["mbox_read_locks"]) == ("dotlock_try flock", "fcntl")
    assert new["mbox_lock_timeout"] == "1 min"


names = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126)).map(str.strip).filter(lambda v: v[-1:] != "{")


@given(st.dictionaries(names, values))
def test_settings_round_trip(table):
    assert settings("".join(f"{name} = {value}\n" for name, value in table.items())) == table


@given(st.lists(st.sampled_from(["fcntl", "flock", "dotlock", "dotlock_try", "lockf"]), unique=True, min_size=1))
def test_a_list_is_the_same_in_both_spellings(locks):
    line = settings(f"mbox_write_locks = {' '.join(locks)}\n")
    block = settings("mbox_write_locks {\n" + "".join(f"  {lock} = yes\n" for lock in locks) + "}\n")
    assert block["mbox_write_locks"] == line["mbox_write_locks"]


def test_compile_options():
    mutt = outputs.compile_options(recorded.MUTT)
    assert (mutt["use_fcntl"], mutt["use_flock"], mutt["use_dotlock"]) == (True, False, True)
    assert "flock" not in mutt  # of the configure line, before
    neomutt = outputs.compile_options(recorded.NEOMUTT)
    assert (neomutt["fcntl"], neomutt["flock"]) == (True, False)
    assert "dotlock" not in neomutt
    assert outputs.compile_options("mutt: not found") == {}


def test_exim_transports():
    found = outputs.transports(recorded.EXIM)
    assert list(found) == ["mail_spool", "home_maildir", "flocked", "address_pipe"]
    spool = found["mail_spool"]
    assert (spool["driver"], spool["group"], spool["lockfile_timeout"]) == ("appendfile", "mail", "30m")
    assert (spool["use_lockfile"], spool["use_fcntl_lock"], spool["use_flock_lock"]) == ("yes", "yes", "no")
    assert spool["expand_maildir_use_size_file"] == ""
    assert found["flocked"]["use_fcntl_lock"] == "no"


def test_procmail_strategies():
    assert outputs.strategies(recorded.PROCMAIL) == ("dotlock", "fcntl")
    assert outputs.strategies("Locking strategies:\tdotlocking, lockf(), flock()\n") == ("dotlock", "fcntl", "flock")
    assert outputs.strategies("no such line") == ()


def test_the_locking_block_of_mailutils():
    text = """
    # locking { type null; }
    mailbox { mail-spool /var/mail; }
    /* locking { type external; } */
    locking {
      type kernel;      // not dotlock
      retry-count 20;
      external-locker "lockprog -x";
    }
    """
    assert outputs.locking_block(text) == {
        "type": "kernel",
        "retry-count": "20",
        "external-locker": "lockprog -x",
    }
    assert outputs.locking_block("# locking { type null; }") is None
    assert outputs.locking_block("") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (recorded.PROCMAIL, "3.23pre"),
        (recorded.MUTT, "2.2.12"),
        (recorded.NEOMUTT, "20220429"),
        (recorded.MAILDROP, "2.9.3"),
        (recorded.MAILUTILS, "3.15"),
        (recorded.S_NAIL, "14.9.24"),
        (recorded.ALPINE, "2.26"),
        (recorded.DOVECOT, "2.3.19.1"),
        (recorded.DOVECOT_24, "2.4.1-4"),
        (recorded.EXIM_VERSION, "4.96"),
        ("unknown", ""),
    ],
)
def test_versions(text, expected):
    assert outputs.version(text) == expected


@given(st.text())
def test_no_text_breaks_a_parser(text):
    outputs.seconds(text)
    outputs.methods(text)
    outputs.settings(text)
    outputs.compile_options(text)
    outputs.transports(text)
    outputs.strategies(text)
    outputs.locking_block(text)
    outputs.version(text)
