"""One language for choosing messages: ``from:joe larger:1M before:2020-01-01 (seen or flagged)``.

>>> from mailstore.search import parse_search
>>> search = parse_search("subject:invoice and not seen")
>>> [message.uid for message in folder.messages(search.want) if search.matches(message.row)]  # doctest: +SKIP

The language is described in ``docs/search.md``. What a search asks of a listing stands in ``want``: a field that it
does not look at costs nothing.
"""

from mailstore.formats.words import decode_header
from mailstore.search.expression import Search, parse_search

__all__ = ["Search", "decode_header", "parse_search"]
