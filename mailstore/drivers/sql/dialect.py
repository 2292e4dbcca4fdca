"""What differs between SQL databases, as data. The schema and the statements are written once, in plain SQL.

Two things that dialects spell in their own ways are not needed at all: no statement upserts (a transaction looks
first, under the account's lock) and none has RETURNING (ids are counted in the account's row).
"""

from __future__ import annotations


class Dialect:
    """One database's spelling.

    Attributes:
        placeholder: of a parameter; the statements are written with ``?``.
        integer: type of a signed 64-bit integer.
        text: type of Unicode text.
        name: type of Unicode text that can be a key, and compares by code point.
        blob: type of up to 1 MB of bytes.
        digest: type of up to 32 bytes that can be a key.
        clustered: what follows a table of short rows that is to be stored in the order of its primary key.
        heap: what follows a table of long rows.
        lock: what makes a SELECT lock its row until the transaction ends.
    """

    def __init__(
        self,
        *,
        placeholder: str,
        integer: str,
        text: str,
        name: str,
        blob: str,
        digest: str,
        clustered: str,
        heap: str,
        lock: str,
    ) -> None:
        self.placeholder = placeholder
        self._words = {"integer": integer, "text": text, "name": name, "blob": blob, "digest": digest}
        self._words |= {"clustered": clustered, "heap": heap, "lock": lock}
        self._rendered: dict[tuple[str, int], str] = {}

    def render(self, text: str, width: int = 1) -> str:
        """Return a statement in this dialect; ``[many]`` becomes ``width`` parameters."""
        found = self._rendered.get((text, width))
        if found is None:
            found = self._rendered[text, width] = self._render(text, width)
        return found

    def _render(self, text: str, width: int) -> str:
        for name, word in self._words.items():
            text = text.replace(f"[{name}]", word)
        return text.replace("[many]", ", ".join("?" * width)).replace("?", self.placeholder)


SQLITE = Dialect(
    placeholder="?",
    integer="INTEGER",
    text="TEXT",
    name="TEXT",
    blob="BLOB",
    digest="BLOB",
    clustered=" WITHOUT ROWID, STRICT",
    heap=" STRICT",
    lock="",
)
"""``BEGIN IMMEDIATE`` locks the whole database, so that no row needs a lock of its own."""
