"""The directory for the bytes of messages that could not be stored."""

from __future__ import annotations

import os
from urllib.parse import quote

from mailstore.convert.options import Options
from mailstore.model.info import Body, body_chunks
from mailstore.model.names import FolderPath
from mailstore.spi import Location
from mailstore.system import fs


class Rejected:
    """Writes messages to ``DIRECTORY/FOLDER-POSITION-DIGEST.eml``; the directory is made with the first of them.

    The same message of a rerun gets the same name and is not written again.
    """

    def __init__(self, options: Options, destination: Location) -> None:
        self._directory = options.rejected
        if self._directory is None and os.path.isabs(destination.path):
            self._directory = f"{destination.path.rstrip('/')}.rejected"

    def put(self, folder: FolderPath, position: int, digest: bytes, body: Body) -> str:
        """Set a message aside, durably; returns its path, or '' where there is no place for it.

        Raises:
            StorageFull, StorageFailure, CannotCreate: it could not be written.
        """
        if self._directory is None:
            return ""
        # Folder names are anybody's: quoted they hold no separator, and a leading dot is dropped.
        name = quote(str(folder), safe=" ", errors="surrogatepass").lstrip(".")[:150]
        path = os.path.join(self._directory, f"{name}-{position}-{digest.hex()[:16]}.eml")
        with fs.errors(path):
            fs.make_directories(self._directory)
            if not os.path.lexists(path):
                fd, temporary = fs.temporary_beside(path)
                fs.copy_body(fd, body_chunks(body))
                fs.publish(fd, temporary, path)
        return path
