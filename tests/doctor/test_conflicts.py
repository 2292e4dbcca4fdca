"""Which programs get along, and which preset gets along with them."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.played import CLOSED, PLACE, SPOOL, program

from mailstore.doctor.advice import advise
from mailstore.doctor.conflicts import effective, find_conflicts
from mailstore.system.lockrules import METHODS, PRESETS


def kinds(programs, place=PLACE):
    return [(conflict.kind, conflict.programs) for conflict in find_conflicts(programs, place)]


def test_no_lock_in_common_loses_mail():
    one, other = program("A", ("fcntl", "dotlock")), program("B", ("flock",))
    (conflict,) = find_conflicts([one, other], PLACE)
    assert (conflict.kind, conflict.programs) == ("no-common-lock", ("A", "B"))
    assert conflict.explanation == (
        "A takes fcntl and dotlock, B flock: they do not exclude each other, and mail can be lost"
    )


def test_over_nfs_flock_is_fcntl():
    one, other = program("A", ("fcntl",)), program("B", ("flock",))
    assert kinds([one, other]) == [("no-common-lock", ("A", "B"))]
    assert kinds([one, other], replace(PLACE, filesystem="nfs4")) == []


def test_opposite_orders():
    dovecot = program("Dovecot", ("fcntl", "dotlock"), gives_up=300.0)
    postfix = program("Postfix", ("dotlock", "fcntl"), gives_up=20.0)
    (conflict,) = find_conflicts([dovecot, postfix], PLACE)
    assert (conflict.kind, conflict.programs) == ("opposite-order", ("Dovecot", "Postfix"))
    assert conflict.explanation == (
        "Dovecot takes fcntl, then dotlock; Postfix dotlock, then fcntl: each may wait for the other; "
        "Postfix gives up after 20 s"
    )
    forever = replace(dovecot, gives_up=None)
    assert find_conflicts([forever, postfix], PLACE)[0].explanation.endswith(
        "Postfix gives up after 20 s, Dovecot never"
    )
    assert find_conflicts([forever, replace(postfix, gives_up=None)], PLACE)[0].explanation.endswith(
        "neither ever gives up"
    )


@pytest.mark.parametrize("which", [0, 1])
def test_who_releases_all_cannot_deadlock(which):
    pair = [program("A", ("fcntl", "dotlock")), program("B", ("dotlock", "fcntl"))]
    pair[which] = replace(pair[which], keeps=False)
    assert kinds(pair) == []


def test_a_reader_without_the_writers_lock():
    reader = program("R", ("fcntl", "dotlock"), ("fcntl",))
    writer = program("W", ("dotlock",))
    (conflict,) = find_conflicts([reader, writer], PLACE)
    assert (conflict.kind, conflict.programs) == ("unlocked-read", ("W", "R"))
    assert conflict.explanation == "R reads under fcntl, W writes under dotlock: R may see half a change"
    assert kinds([reader, program("W", ("fcntl",))]) == []


def test_helpers_and_idle_programs_do_not_count():
    one = program("A", ("fcntl",))
    assert kinds([one, program("B", ("flock",), uses_mbox=False)]) == []
    assert kinds([one, program("B", ("flock",), role="helper")]) == []


def test_a_spool_directory_of_group_mail():
    user = program("U", ("fcntl", "dotlock"), without="goes on")
    setgid = program("S", ("fcntl", "dotlock"), makes="group:mail")
    other = program("O", ("fcntl", "dotlock"), makes="group:staff")
    root = program("R", ("fcntl", "dotlock"), makes="root")
    assert kinds([user, setgid, root, other], SPOOL) == [("no-dotlock", ("U",)), ("no-dotlock", ("O",))]
    assert kinds([setgid, root], CLOSED) == [("no-dotlock", ("S",))]
    assert effective(user.write, user, SPOOL) == ("fcntl",)
    texts = [conflict.explanation for conflict in find_conflicts([user, other], SPOOL)]
    assert texts == [
        "U may make no dotlock in /var/mail, and goes on with fcntl alone",
        "O may make no dotlock in /var/mail, and changes no mailbox without it",
    ]


def test_a_dotlock_that_cannot_be_made_protects_nobody():
    mail = program("mail", ("dotlock",), ("dotlock",), without="goes on")
    other = program("S", ("dotlock", "fcntl"), makes="group:mail")
    found = find_conflicts([mail, other], SPOOL)
    assert [conflict.kind for conflict in found] == ["no-common-lock", "no-dotlock"]
    assert found[1].explanation == "mail may make no dotlock in /var/mail, and goes on without any lock"


locks = st.sampled_from([order for n in range(4) for order in permutations(METHODS, n)])


@given(locks, locks, locks)
def test_conflicts_do_not_depend_on_who_comes_first(ours, theirs, read):
    one, other = program("A", ours), program("B", theirs, read or None)

    def found(pair):
        return sorted((conflict.kind, sorted(conflict.programs)) for conflict in find_conflicts(pair, PLACE))

    assert found([one, other]) == found([other, one])


@given(locks, locks)
def test_two_writers_are_safe_or_named(ours, theirs):
    named = {kind for kind, _ in kinds([program("A", ours), program("B", theirs)])}
    assert ("no-common-lock" in named) == (not set(ours) & set(theirs))


PROGRAMS = {
    "Dovecot": program("Dovecot", ("fcntl", "dotlock"), ("fcntl",), makes="group:mail"),
    "Postfix": program("Postfix", ("dotlock", "fcntl"), makes="root"),
    "procmail": program("procmail", ("dotlock", "fcntl"), makes="group:mail"),
    "qmail-local": program("qmail-local", ("flock",)),
}


def advice(*names, place=PLACE, location="mbox:/m/box"):
    return advise(location, [PROGRAMS[name] for name in names], place, PRESETS)


def test_advice_without_programs():
    found = advice()
    assert (found.preset, found.location) == ("debian", "mbox:/m/box?locks=debian")
    assert found.reasons == (
        "debian takes fcntl, then dotlock",
        "no program that uses an mbox was found: it is what Debian's policy asks of all",
    )


def test_advice_follows_the_order_of_most():
    assert advice("Dovecot").preset == "debian"
    assert advice("Dovecot", "Postfix", "procmail").preset == "postfix"
    assert advice("procmail").preset == "procmail"
    found = advice("Dovecot", "Postfix")
    assert found.preset == "debian"
    assert found.reasons[1] == "it and Dovecot and Postfix keep each other out"


def test_advice_where_only_flock_helps():
    found = advice("Dovecot", "qmail-local", location="mbox:/m/box?layout=plain")
    assert found.location == "mbox:/m/box?layout=plain&locks=debian"
    assert found.reasons[-1] == "no preset keeps out qmail-local; locks=fcntl,dotlock,flock does qmail-local"


def test_advice_for_a_closed_spool():
    helper = program("dotlockfile", ("dotlock",), role="helper", makes="group:mail")
    found = advise("mbox:/var/mail/joe", [PROGRAMS["Dovecot"], helper], SPOOL, PRESETS)
    assert found.reasons[-1] == "joe may make no dotlock in /var/mail; dotlockfile can"
    assert advice("Dovecot", place=SPOOL).reasons[-1] == (
        "joe may make no dotlock in /var/mail; no helper that could is installed"
    )


@given(st.lists(locks.filter(bool), max_size=5))
def test_a_preset_that_keeps_all_out_is_taken_where_there_is_one(orders):
    programs = [program(f"P{n}", order) for n, order in enumerate(orders)]
    chosen = PRESETS[advise("mbox:/m", programs, PLACE, PRESETS).preset]
    assert chosen
    best = min(sum(not set(preset) & set(order) for order in orders) for preset in PRESETS.values() if preset)
    assert sum(not set(chosen) & set(order) for order in orders) == best
