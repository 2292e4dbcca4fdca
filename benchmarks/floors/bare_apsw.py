"""bare_apsw.py SOURCE DATABASE: insert every message of an mbox or Maildir in one transaction, and nothing else."""

import os
import sys
from collections.abc import Iterator

import apsw


def mbox(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield the messages between the lines that begin with ``From ``."""
    with open(path, "rb") as file:
        content = b"\n" + file.read()
    for number, record in enumerate(content.split(b"\nFrom ")[1:], 1):
        yield number, record[record.index(b"\n") + 1 :]


def maildir(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield the files of ``new`` and ``cur``."""
    number = 0
    for sub in ("new", "cur"):
        for name in os.listdir(f"{path}/{sub}"):
            with open(f"{path}/{sub}/{name}", "rb", buffering=0) as file:
                number += 1
                yield number, file.read()


def main() -> None:
    """Insert and commit."""
    source, database = sys.argv[1:]
    connection = apsw.Connection(database)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table body (id integer primary key, content blob not null)")
    with connection:
        connection.executemany(
            "insert into body values (?, ?)", maildir(source) if os.path.isdir(source) else mbox(source)
        )
    connection.close()


main()
