"""Where mail goes: templates and addresses from the other side of the network."""

import os
import pwd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import NoSuchUser, UsageError
from mailstore.delivery import expand, sub_address


@pytest.mark.parametrize(
    ("template", "user", "location"),
    [
        ("maildir:/home/%u/Maildir", "joe", "maildir:/home/joe/Maildir"),
        ("maildir:/srv/%d/%n", "joe@example.org", "maildir:/srv/example.org/joe"),
        ("mbox:/var/mail/%u?locks=none", "a.b-c", "mbox:/var/mail/a.b-c?locks=none"),
        ("sqlite:/m/100%%.db?account=%u", "joe", "sqlite:/m/100%.db?account=joe"),
        ("maildir:/home/x", "joe", "maildir:/home/x"),
    ],
)
def test_templates(template: str, user: str, location: str) -> None:
    assert expand(template, user) == location


@pytest.mark.parametrize(
    "user",
    ["", "..", ".", ".ssh", "a/b", "../x", "a\0b", "a\nb", "x?locks=none", "a:INBOX=/etc/x", "%h", "@x", "x@", "joe@..",
     "joe@a/b", "a\\b", ".@example.org"],
)  # fmt: skip
def test_hostile_users_are_nobody(user: str) -> None:
    with pytest.raises(NoSuchUser):
        expand("maildir:/home/%u/Maildir", user)


def test_the_home_of_an_account() -> None:
    me = pwd.getpwuid(os.getuid())
    assert expand("%h/Maildir", me.pw_name) == f"{me.pw_dir}/Maildir"
    assert expand("%h/Maildir", "joe", home="/h") == "/h/Maildir"
    with pytest.raises(NoSuchUser):
        expand("%h/Maildir", "no-such-user-here")


def test_a_template_that_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="there is no %x"):
        expand("/home/%x", "joe")
    with pytest.raises(NoSuchUser):
        expand("/srv/%d/%n", "joe")


@pytest.mark.parametrize(
    ("recipient", "plain", "folder"),
    [
        ("joe+lists@example.org", "joe@example.org", "lists"),
        ("joe+a+b@x", "joe@x", "a+b"),
        ("joe@x", "joe@x", None),
        ("joe+@x", "joe@x", None),
        ("+lists@x", "+lists@x", None),
        ("joe+../../x", "joe", "..\\/..\\/x"),
    ],
)
def test_sub_addresses(recipient: str, plain: str, folder: str | None) -> None:
    assert sub_address(recipient) == (plain, folder)


@given(st.text(max_size=20))
def test_no_user_leads_out_of_its_place(user: str) -> None:
    try:
        path = expand("/home/%u/Maildir", user)
    except NoSuchUser:
        return
    assert os.path.normpath(path).split("/")[:2] == ["", "home"]
    assert os.path.normpath(path).count("/") == 3
