"""Folder mapping: the names that come out, and what collides. Nothing here opens a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import FolderPath, InvalidFolderName, UsageError
from mailstore.convert import FolderMapping, Substitution
from mailstore.convert.mapping import Routing, route, substitution
from mailstore.model.changes import FolderInfo
from mailstore.model.specialuse import guess_special_use
from mailstore.model.usenames import _TABLES, BY_NAME, fold, languages

P = FolderPath.parse


def infos(*names: str, uses: dict[str, str] | None = None) -> list[FolderInfo]:
    return [FolderInfo(name, P(name), special_use=(uses or {}).get(name)) for name in names]


def routed(mapping: FolderMapping, *names: str, there: tuple[str, ...] = (), **settings: Any) -> dict[str, str]:
    found = route(infos("INBOX", *names), infos("INBOX", *there), mapping, **settings)
    return {str(one.source.path): str(one.target.path) for one in found.routes if one.source.path != P("INBOX")}


def moves(**pairs: str) -> tuple[tuple[FolderPath, FolderPath], ...]:
    return tuple((P(old), P(new)) for old, new in pairs.items())


def test_no_rule_changes_no_name() -> None:
    assert routed(FolderMapping(), "a", "a/b", "Gesendet", "INBOX/x") == {
        name: name for name in ("a", "a/b", "Gesendet", "INBOX/x")
    }


def test_a_move_takes_along_what_lies_below_and_the_longest_one_counts() -> None:
    mapping = FolderMapping(moves=((P("a"), P("x/y")), (P("a/b"), P("z"))))
    assert routed(mapping, "a", "a/c", "a/b", "a/b/d", "ab") == {
        "a": "x/y",
        "a/c": "x/y/c",
        "a/b": "z",
        "a/b/d": "z/d",
        "ab": "ab",
    }


def test_moves_can_swap_names() -> None:
    assert routed(FolderMapping(moves=moves(a="b", b="a")), "a", "b") == {"a": "b", "b": "a"}


def test_one_folder_mapped_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="a is mapped twice"):
        FolderMapping(moves=((P("a"), P("b")), (P("a"), P("c"))))


def test_a_move_of_a_folder_that_is_not_there_is_told() -> None:
    mapping = FolderMapping(moves=moves(Sennt="Sent", Old="New"), separator=".")
    assert mapping.unused(infos("INBOX", "Old.x", "Sent")) == [P("Sennt")]


def test_steps_come_in_the_documented_order() -> None:
    mapping = FolderMapping(
        names_charset="latin-1",
        separator=".",
        strip_prefix=P("INBOX"),
        moves=moves(Müll="Abfall"),
        substitutions=(Substitution.parse("s/^Liste-//"), Substitution.parse("s/a/o/g")),
        prefix=P("Joe"),
        join="_",
    )
    assert routed(mapping, "INBOX.M^fcll.alt", "INBOX.Liste-aha") == {
        "INBOX.M^fcll.alt": "Joe_Abfall_alt",
        "INBOX.Liste-aha": "Joe_oho",
    }


@pytest.mark.parametrize(
    ("charset", "name", "meant"),
    [
        ("latin-1", "M^fcll", "Müll"),
        ("latin-1", "M\udcfcll", "Müll"),
        ("latin-1", "Müll", "Müll"),
        ("cp1251", "^cf^e8^f1^fc^ec^e0", "Письма"),
        ("utf-7", "Entw&APw-rfe", "Entwürfe"),
        ("UTF-7", "R&D", "R&D"),
        ("utf-7", "Entwürfe", "Entwürfe"),
        ("latin-1", "^41 stays", "^41 stays"),
    ],
)
def test_names_in_another_charset(charset: str, name: str, meant: str) -> None:
    found = route([FolderInfo("", FolderPath((name,)))], [], FolderMapping(names_charset=charset))
    assert found.routes[0].target.path == FolderPath((meant,))


def test_a_name_that_is_not_in_the_charset_is_refused() -> None:
    with pytest.raises(UsageError, match="is not in the charset ascii"):
        routed(FolderMapping(names_charset="ascii"), "M^fcll")


@pytest.mark.parametrize("charset", ["latin-77", "rot13", "base64"])
def test_an_unknown_charset_is_refused(charset: str) -> None:
    with pytest.raises(UsageError, match="no charset is called"):
        FolderMapping(names_charset=charset)


def test_a_separator_never_makes_an_empty_name() -> None:
    assert routed(FolderMapping(separator="."), "a.b", ".hidden", "a..b", "c.") == {
        "a.b": "a/b",
        ".hidden": ".hidden",
        "a..b": "a..b",
        "c.": "c.",
    }


def test_what_lies_below_the_prefix_comes_to_the_top() -> None:
    mapping = FolderMapping(strip_prefix=P("INBOX"))
    assert routed(mapping, "INBOX/Sent", "inbox/Old", "Else/INBOX") == {
        "INBOX/Sent": "Sent",
        "inbox/Old": "Old",
        "Else/INBOX": "Else/INBOX",
    }


def test_inbox_goes_below_a_prefix_too() -> None:
    found = route(infos("INBOX", "a"), [], FolderMapping(prefix=P("Old/joe")))
    assert [str(one.target.path) for one in found.routes] == ["Old/joe/INBOX", "Old/joe/a"]


# -- special uses


def test_automap_takes_the_destinations_folder_or_the_standard_name() -> None:
    names = ("Gesendete Objekte", "Papierkorb", "Papierkorb/alt", "Other")
    assert routed(FolderMapping(automap=True), *names, there=("Sent Items",)) == {
        "Gesendete Objekte": "Sent Items",
        "Papierkorb": "Trash",
        "Papierkorb/alt": "Trash/alt",
        "Other": "Other",
    }


def test_automap_carries_the_special_use_and_believes_a_recorded_one_first() -> None:
    source = infos("INBOX", "Sent", "Outgoing", uses={"Outgoing": "\\Sent"})
    found = route(source, [], FolderMapping(automap=True, collisions="rename"))
    assert [(str(one.target.path), one.target.special_use) for one in found.routes] == [
        ("INBOX", None),
        ("Sent", None),
        ("Sent (Outgoing)", "\\Sent"),
    ]


def test_automap_gives_each_use_to_one_folder_and_english_first() -> None:
    assert routed(FolderMapping(automap=True), "Envoyés", "Gesendet", "Sent") == {
        "Envoyés": "Envoyés",
        "Gesendet": "Gesendet",
        "Sent": "Sent",
    }


def test_a_move_comes_before_automap_and_both_before_expressions() -> None:
    mapping = FolderMapping(
        automap=True, moves=moves(Gesendet="Mine"), substitutions=(Substitution.parse("s/.*/All of it/"),)
    )
    assert routed(mapping, "Gesendet", "Papierkorb", "c") == {
        "Gesendet": "Mine",
        "Papierkorb": "Trash",
        "c": "All of it",
    }


def test_automap_under_a_prefix_leaves_the_destinations_own_folders_alone() -> None:
    mapping = FolderMapping(automap=True, prefix=P("joe"))
    assert routed(mapping, "Gesendet", "Entwürfe", there=("Sent Items", "joe/Draft")) == {
        "Gesendet": "joe/Sent",
        "Entwürfe": "joe/Draft",
    }


def test_names_of_special_folders_are_known_in_many_languages_and_mean_one_thing_each() -> None:
    meanings: Counter[str] = Counter()
    for use, table in _TABLES.items():
        assert len(languages(use)) >= 35, use
        names = {fold(name) for line in table.strip().split("\n") for name in line.partition(": ")[2].split(", ")}
        meanings.update(names)
        assert all(BY_NAME[name][0] == use for name in names)
    assert [name for name, uses in meanings.items() if uses > 1] == []


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("SENT-MAIL", "\\Sent"),
        ("[Gmail]/Gesendet", "\\Sent"),
        ("INBOX/Trash", "\\Trash"),
        ("Éléments supprimés", "\\Trash"),
        ("Elements supprimes", "\\Trash"),
        ("迷惑メール", "\\Junk"),
        ("Gönderilmiş Öğeler", "\\Sent"),
        ("Wysłane", "\\Sent"),
        ("Черновики", "\\Drafts"),
        ("已发送邮件", "\\Sent"),
        ("Work/Sent", None),
        ("Sentinel", None),
    ],
)
def test_special_uses_are_told_from_names(name: str, use: str | None) -> None:
    assert guess_special_use(infos(name))[0].special_use == use


# -- expressions


@pytest.mark.parametrize(
    ("text", "name", "new"),
    [
        ("s/a/b/", "aa", "ba"),
        ("s/a/b/g", "aA", "bA"),
        ("s/a/b/gi", "aA", "bb"),
        (r"s/(\w+)-(\w+)/\2\/\1/", "x-y", "y/x"),
        (r"s,^Lists/(?P<name>.*),Archive/\g<name>,", "Lists/a/b", "Archive/a/b"),
        (r"s|\||!|", "a|b", "a!b"),
        ("s/no/yes/", "a", "a"),
    ],
)
def test_an_expression_renames(text: str, name: str, new: str) -> None:
    assert Substitution.parse(text).apply(P(name)) == P(new)


@pytest.mark.parametrize(
    "text",
    ["", "s", "a/b/c/", "s/a/b", "s/a/", "s/a/b/x", "s/(/b/", r"s/a/\1/", "saxbx", "s a b ", "y/a/b/"],
)
def test_what_is_no_substitution_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Substitution.parse(text)


def test_an_expression_is_never_run_as_a_program() -> None:
    """imapsync evaluates its own: s/x/system('…')/e."""
    with pytest.raises(UsageError):
        Substitution.parse("s/x/__import__('os').abort()/e")
    assert Substitution.parse("s/x/$(id)`id`/").apply(P("x")) == P("$(id)`id`")


def test_an_expression_that_makes_no_name_is_refused() -> None:
    with pytest.raises(UsageError, match="makes '' of the folder x"):
        Substitution.parse("s/x//").apply(P("x"))


def test_an_expression_that_takes_for_ever_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(substitution, "LIMIT", 0.05)
    with pytest.raises(UsageError, match="takes too long for the folder aaaa"):
        Substitution.parse("s/^(a+)+$/b/").apply(P("a" * 60 + "!"))


# -- collisions


def collide(mapping: FolderMapping, *names: str, **settings: Any) -> Routing:
    return route(infos("INBOX", *names), infos("INBOX"), mapping, **settings)


def targets(found: Routing) -> list[tuple[str, bool]]:
    return [(str(one.target.path), one.alone) for one in found.routes if one.target.selectable]


def test_two_folders_for_one_name_are_listed() -> None:
    found = collide(FolderMapping(moves=moves(a="x", b="x")), "a", "b", "c")
    assert [str(one) for one in found.collisions] == ["x: from a and b"]


def test_merged_folders_share_a_name_and_give_up_their_uids() -> None:
    found = collide(FolderMapping(moves=moves(a="x", b="X"), collisions="merge"), "a", "b", "c")
    assert targets(found) == [("INBOX", True), ("x", False), ("x", False), ("c", True)]


def test_renamed_folders_are_told_apart_by_their_own_names() -> None:
    mapping = FolderMapping(moves=moves(a="x", b="x", c="x (b)"), collisions="rename")
    found = collide(mapping, "a", "b", "c", "d/e")
    assert targets(found)[1:] == [("x", True), ("x (b)", True), ("x (b) (c)", True), ("d/e", True)]


def test_a_folder_that_keeps_its_name_comes_first() -> None:
    found = collide(FolderMapping(moves=moves(a="z"), collisions="rename"), "a", "z")
    assert targets(found)[1:] == [("z (a)", True), ("z", True)]


def test_names_that_differ_in_case_or_form_alone_collide_when_mapping_made_them() -> None:
    assert [str(one) for one in collide(FolderMapping(moves=moves(a="SENT")), "Sent", "a").collisions] == [
        "Sent: from Sent and a"
    ]
    assert [str(one) for one in collide(FolderMapping(moves=moves(a="ﬁle")), "file", "a").collisions] == [
        "file: from file and a"
    ]


def test_names_that_the_source_itself_tells_apart_by_case_do_not_collide() -> None:
    assert collide(FolderMapping(), "Sent", "sent").collisions == ()
    found = collide(FolderMapping(prefix=P("p")), "Sent", "sent")
    assert found.collisions == ()
    assert targets(found) == [("p/INBOX", True), ("p/Sent", True), ("p/sent", True)]


def test_an_empty_inbox_gives_way() -> None:
    mapping = FolderMapping(moves=moves(Posteingang="INBOX"))
    found = collide(mapping, "Posteingang", is_empty=lambda _: True)
    assert (found.collisions, targets(found)) == ((), [("INBOX", True)])
    assert [str(one) for one in collide(mapping, "Posteingang").collisions] == ["INBOX: from INBOX and Posteingang"]
    away = collide(FolderMapping(moves=moves(INBOX="a")), "a", is_empty=lambda _: True)
    assert (away.collisions, targets(away)) == ((), [("a", True)])


def test_what_is_left_out_collides_with_nothing_but_is_not_forgotten() -> None:
    """A later run may take it: the first must not have given its UIDs to the folder."""
    found = collide(FolderMapping(moves=moves(a="b")), "a", "b", wanted=lambda path: path != P("b"))
    assert (found.collisions, targets(found)) == ((), [("INBOX", True), ("b", False)])


def test_names_given_on_collision_do_not_depend_on_what_is_chosen() -> None:
    mapping = FolderMapping(moves=moves(a="b"), collisions="rename")
    assert targets(collide(mapping, "a", "b", wanted=lambda path: path == P("a"))) == [("b (a)", True)]


def test_folders_without_mail_collide_with_nothing() -> None:
    source = [replace(info, selectable=False) for info in infos("a", "b")]
    assert route(source, [], FolderMapping(moves=moves(a="b"))).collisions == ()


# -- whatever the names

components = st.text(
    st.sampled_from("aAbB./\\&-^~ ß\u0130\u0131é\ufb01") | st.characters(codec="utf-8"), min_size=1, max_size=4
)
paths = st.lists(components, min_size=1, max_size=3).map(FolderPath)
trees = st.lists(paths, max_size=8, unique=True)
rules = st.builds(
    FolderMapping,
    names_charset=st.sampled_from(["", "latin-1", "utf-7"]),
    separator=st.sampled_from(["", ".", "-"]),
    strip_prefix=st.none() | paths,
    moves=st.lists(st.tuples(paths, paths), max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
    automap=st.booleans(),
    prefix=st.none() | paths,
    join=st.sampled_from(["", "."]),
    collisions=st.sampled_from(["refuse", "merge", "rename"]),
)


@given(trees, trees, rules)
def test_every_folder_has_one_name_and_only_merging_gives_two_the_same(
    tree: list[FolderPath], there: list[FolderPath], mapping: FolderMapping
) -> None:
    source = [FolderInfo(str(path), path) for path in tree]
    found = route(source, [FolderInfo(str(path), path) for path in there], mapping)
    assert [one.source.path for one in found.routes] == tree
    assert route(source, [FolderInfo(str(path), path) for path in there], mapping) == found
    together = Counter(one.target.path for one in found.routes)
    assert all(one.alone == (together[one.target.path] == 1) for one in found.routes)
    if mapping.collisions == "rename" or not found.collisions:
        assert set(together.values()) <= {1}
    collided = {path for one in found.collisions for path in one.sources}
    assert {one.source.path for one in found.routes if not one.alone} <= collided


@given(trees)
def test_nothing_is_renamed_without_a_rule(tree: list[FolderPath]) -> None:
    found = route([FolderInfo(str(path), path) for path in tree], [], FolderMapping())
    assert [(one.target.path, one.alone) for one in found.routes] == [(path, True) for path in tree]
    assert found.collisions == ()


def test_a_name_that_is_empty_can_never_come_out() -> None:
    with pytest.raises(InvalidFolderName):
        FolderPath(("",))
