"""Gmail's labels as text: the field, its encodings, keywords and folders; and the words of each language."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats.gmail.field import from_keyword, read_labels, to_folder, to_keyword
from mailstore.formats.gmail.names import CATEGORIES, LANGUAGES, find_language, folded, kinds_of
from mailstore.formats.gmail.placing import MODES, Places
from mailstore.model.flags import DRAFT, FLAGGED, SEEN, is_keyword
from mailstore.model.names import FolderPath

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf", "Cn"]), min_size=1, max_size=20)
LABEL = st.lists(TEXT, min_size=1, max_size=4).map(" ".join)


def write(labels: list[str], encoding: str, fold: bool = False) -> bytes:
    """Return the field's value as Takeout writes it: commas quoted, other than ASCII in words of at most 75 bytes."""
    text = ",".join(
        '"' + label.replace("\\", "\\\\").replace('"', '""') + '"' if set(label) & set(',"') else label
        for label in labels
    )
    if encoding == "plain":
        return (" " + text.replace(" ", "\r\n ") if fold else text).encode()
    words, piece = [], b""
    for character in text:
        raw = character.encode()
        if len(piece) + len(raw) > 20:
            words.append(piece)
            piece = b""
        piece += raw
    words.append(piece)
    if encoding == "b":
        return b"\r\n ".join(b"=?UTF-8?B?" + base64.b64encode(word) + b"?=" for word in words)
    return b"\n ".join(
        b"=?UTF-8?Q?"
        + b"".join(b"_" if c == 32 else bytes([c]) if chr(c).isalnum() and c < 128 else b"=%02X" % c for c in word)
        + b"?="
        for word in words
    )


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (b" Inbox,Important,Opened,Category Personal", ("Inbox", "Important", "Opened", "Category Personal")),
        (b' Inbox,"Smith, Jones",Work/2023', ("Inbox", "Smith, Jones", "Work/2023")),
        (b' "say ""hi""",  b , ,"",b', ('say "hi"', "b")),
        (b" =?UTF-8?Q?Archiv=C3=A9s,Envoy=C3=A9?=", ("Archivés", "Envoyé")),
        (
            (
                b" =?UTF-8?Q?Messages_archiv=C3=A9s,Ouvert,Cat=C3=A9gorie=C2=A0:_E-mails_?=\r\n"
                b' =?UTF-8?Q?personnels,"Culture,_associations,_=C3=A9v=C3=A9nements"?='
            ),
            ("Messages archivés", "Ouvert", "Catégorie : E-mails personnels", "Culture, associations, événements"),
        ),
        (b" =?UTF-8?Q?Kategorie_=E2=80=9EPers=C3=B6nlich=E2=80=9C?=", ("Kategorie „Persönlich“",)),
        (b" =?utf-8?Q?Sent=2C?= =?utf-8?B?5Lit5paH?=", ("Sent", "中文")),
        (b' Kategorie: "X",b', ('Kategorie: "X"', "b")),
        (b"", ()),
        (b' "never closed, a', ("never closed, a",)),
        (b" \xff\xfe,\x00,a\x00b", ("ÿþ", "a b")),
    ],
)
def test_the_field(value: bytes, labels: tuple[str, ...]) -> None:
    assert tuple(label.replace("\N{NO-BREAK SPACE}", " ") for label in read_labels(value)) == labels


@given(st.lists(LABEL, max_size=6, unique=True), st.sampled_from(["b", "q"]))
def test_what_takeout_writes_is_read(labels: list[str], encoding: str) -> None:
    assert read_labels(write(labels, encoding)) == tuple(labels)


@given(st.lists(st.text("abcXYZ019 /-_.&,", min_size=1).map(str.strip).filter(bool), max_size=6, unique=True))
def test_folded_lines(labels: list[str]) -> None:
    wanted = tuple(dict.fromkeys(" ".join(label.split()) for label in labels))
    assert read_labels(write(list(wanted), "plain", fold=True)) == wanted


@given(st.binary(max_size=200))
def test_any_bytes(value: bytes) -> None:
    for label in read_labels(value):
        assert label
        assert label == label.strip()
        to_folder(label)
        assert is_keyword(to_keyword(label))


@given(st.text(min_size=1))
def test_keywords_are_atoms_and_read_back(label: str) -> None:
    keyword = to_keyword(label)
    assert keyword.isascii()
    assert is_keyword(keyword)
    if not any("\ud800" <= character <= "\udfff" for character in label):
        assert from_keyword(keyword) == label


@pytest.mark.parametrize(
    ("label", "keyword"),
    [
        ("Work", "Work"),
        ("My Label", "My_Label"),
        ("a_b", "a^5fb"),
        ("Persönlich", "Pers^c3^b6nlich"),
        ("$Junk", "^24Junk"),
        ('(x) "y" {z}%*\\]^', "^28x^29_^22y^22_^7bz}^25^2a^5c^5d^5e"),
        ("A/B", "A/B"),
    ],
)
def test_spelling_of_keywords(label: str, keyword: str) -> None:
    assert to_keyword(label) == keyword
    assert from_keyword(keyword) == label


@pytest.mark.parametrize(
    ("label", "components"),
    [
        ("Work", ("Work",)),
        ("Work/2023/May", ("Work", "2023", "May")),
        ("/a", ("/a",)),
        ("a//b", ("a//b",)),
        ("a/", ("a/",)),
        ("..", ("..",)),
        ("../../etc/passwd", ("..", "..", "etc", "passwd")),
        ("Inbox/Later", ("INBOX", "Later")),
    ],
)
def test_folders_of_labels(label: str, components: tuple[str, ...]) -> None:
    assert to_folder(label) == FolderPath(components)


# --- languages


def test_every_language_has_every_word() -> None:
    assert len(LANGUAGES) >= 40
    kinds = set(LANGUAGES["en"].values())
    assert len(kinds) == 12 + len(CATEGORIES)
    for code, known in LANGUAGES.items():
        assert set(known.values()) == kinds, code
        assert all(word == folded(word) and word for word in known), code


def test_one_word_has_one_meaning_within_a_language() -> None:
    """A spelling that stands under two kinds would have been overwritten by the later one."""
    from mailstore.formats.gmail import names

    lines = iter(names._WORDS.splitlines())
    for line in lines:
        code, *words = line.split("|")
        more = next(lines).split("|")[2:]
        plain = [folded(word) for spellings in words for word in spellings.split(",")]
        groups = [folded(word) for spellings in more for word in spellings.split(",")]
        assert len(plain) == len(set(plain)), code
        assert len(groups) == len(set(groups)), code


@pytest.mark.parametrize(
    ("labels", "language"),
    [
        ({"Inbox": 5, "Opened": 5, "Papelera": 1}, "en"),
        ({"Posteingang": 3, "Geöffnet": 9, "Chat": 1}, "de"),
        ({"Boîte de réception": 3, "Non lus": 1}, "fr"),
        ({"Входящие": 1}, "ru"),
        ({"Inbox": 1, "Geopend": 1}, "nl"),
        ({"受信トレイ": 2, "重要": 1}, "ja"),
        ({"Spam": 1}, "en"),
        ({"Work": 100}, None),
        ({}, None),
    ],
)
def test_the_language_shows_in_the_labels(labels: dict[str, int], language: str | None) -> None:
    assert find_language(labels) == language


def test_spellings_of_one_label() -> None:
    known = LANGUAGES["fr"]
    for label in ("Catégorie\N{NO-BREAK SPACE}: E-mails personnels", "catégorie : e-mails personnels"):
        assert known[folded(label)] == "CATEGORY_PERSONAL"
    for label in ("Kategorie „Persönlich“", 'Kategorie: "Persönlich"', "Kategorie Perso\u0308nlich"):
        assert LANGUAGES["de"][folded(label)] == "CATEGORY_PERSONAL"


def test_only_the_languages_own_words_are_gmails() -> None:
    assert kinds_of(("Inbox", "Papelera", "work"), "en") == ({"INBOX"}, ("Papelera", "work"))
    assert kinds_of(("Inbox", "Papelera"), "es") == ({"TRASH"}, ("Inbox",))
    assert kinds_of(("Inbox",), None) == (frozenset(), ("Inbox",))


# --- what they become

EACH = {
    "Inbox,Unread": (["INBOX"], 0, set()),
    "Inbox,Important,Opened,Category Personal": (["INBOX"], SEEN, {"$Important", "CATEGORY_PERSONAL"}),
    "Sent": (["Sent"], SEEN, set()),
    "Archived,Sent,Opened": (["Sent"], SEEN, set()),
    "Archived,Opened": (["Archive"], SEEN, set()),
    "": (["Archive"], SEEN, set()),
    "Starred,Opened": (["Archive"], SEEN | FLAGGED, set()),
    "Drafts": (["Drafts"], SEEN | DRAFT, set()),
    "Chat,Opened": (["Chats"], SEEN, set()),
    "Inbox,Sent,A/B,c d": (["INBOX", "Sent", "A/B", "c d"], SEEN, set()),
    "Trash,Work,Opened": (["Trash"], SEEN, {"Work"}),
    "Spam,Inbox,Unread": (["Spam"], 0, {"INBOX"}),
}


@pytest.mark.parametrize("labels", EACH)
def test_folders(labels: str) -> None:
    folders, flags, keywords = EACH[labels]
    found = Places("en", "folders", []).place(read_labels(labels.encode()))
    assert ([str(path) for path in found.folders], found.flags, found.keywords) == (folders, flags, keywords)


@pytest.mark.parametrize(
    ("labels", "folder", "keywords"),
    [
        ("Inbox,Sent,A/B,c d,Opened", "INBOX", {"SENT", "A/B", "c_d"}),
        ("Archived,Work", "Archive", {"Work"}),
        ("Trash,Sent,Work", "Trash", {"SENT", "Work"}),
        ("Sent,Starred,Important", "Sent", {"$Important"}),
    ],
)
def test_keywords(labels: str, folder: str, keywords: set[str]) -> None:
    found = Places("en", "keywords", []).place(read_labels(labels.encode()))
    assert ([str(path) for path in found.folders], found.keywords) == ([folder], keywords)


def test_both() -> None:
    found = Places("en", "both", []).place(("Inbox", "A/B", "c d"))
    assert ([str(path) for path in found.folders], found.keywords) == (["INBOX", "A/B", "c d"], {"A/B", "c_d"})


def test_a_users_label_called_like_a_folder_of_ours() -> None:
    places = Places("de", "folders", ["archive", "Sent/old", "Posteingang"])
    assert str(places.place(("Archiviert",)).folders[0]) == "[Gmail]/Archive"
    assert str(places.place(("Gesendet",)).folders[0]) == "[Gmail]/Sent"
    assert [str(path) for path in places.place(("archive", "Sent/old")).folders] == ["archive", "Sent/old"]
    assert places.uses[FolderPath(["[Gmail]", "Sent"])] == "\\Sent"


@given(st.lists(LABEL, max_size=5), st.sampled_from([*LANGUAGES, None]), st.sampled_from(MODES))
def test_every_message_lies_somewhere(labels: list[str], language: str | None, mode: str) -> None:
    found = Places(language, mode, labels).place(labels)
    assert found.folders
    assert len(set(found.folders)) == len(found.folders)
    assert all(map(is_keyword, found.keywords))
    if mode == "keywords":
        assert len(found.folders) == 1
