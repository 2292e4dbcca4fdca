"""An LMTP server (RFC 2033): takes mail from an MTA, and answers 250 for each recipient when its mail is durable.

For volume: one process for all deliveries, stores kept open, concurrent deliveries sharing one commit, a message for
several recipients stored once where the stores can. ``mstore lmtp`` is its command line; ``docs/lmtp.md`` tells how to
put it behind Postfix. Parts:

- ``protocol``: the engine, without input or output;
- ``group``: group commit; ``stores``: the stores kept open;
- ``connection``, ``server``: asyncio.

Not imported by ``mailstore`` itself.
"""

from mailstore.delivery.mailboxes import Mailbox, Mailboxes
from mailstore.lmtp.protocol import Limits, Session
from mailstore.lmtp.replies import Reply, reply_of
from mailstore.lmtp.server import Server, Settings
from mailstore.service import inherited, listen, serve

__all__ = [
    "Limits",
    "Mailbox",
    "Mailboxes",
    "Reply",
    "Server",
    "Session",
    "Settings",
    "inherited",
    "listen",
    "reply_of",
    "serve",
]
