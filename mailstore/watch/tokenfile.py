"""A file that keeps how far each of some stores has been told of: JSON, replaced as a whole."""

from __future__ import annotations

import json
import os

from mailstore.errors import UsageError
from mailstore.system import fs


class TokenFile:
    """The tokens of stores by location, in the file ``path``, which need not exist.

    Raises:
        UsageError: what is there is no such file; the text says what to do.
        StorageFailure: it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(path)
        self._tokens: dict[str, str] = {}
        with fs.errors(self._path):
            if not os.path.exists(self._path):
                return
            with open(self._path, "rb") as file:
                data = file.read()
        try:
            self._tokens = {str(location): str(token) for location, token in json.loads(data)["tokens"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{self._path} keeps no tokens of a watch; remove it to begin anew") from error

    def token(self, location: str) -> str | None:
        """Return the token kept for a location, None where there is none."""
        return self._tokens.get(location)

    def keep(self, location: str, token: str) -> None:
        """Keep a token; durable on return.

        Raises:
            StorageFull, StorageFailure, ReadOnlyStore: it could not be written; what was kept before is still there.
        """
        self._tokens[location] = token
        with fs.errors(self._path):
            fs.replace_file(self._path, json.dumps({"tokens": self._tokens}, indent=1).encode() + b"\n")
