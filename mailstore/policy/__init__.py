"""A policy server for Postfix: a full mailbox is refused before the body of a message is sent.

Postfix asks at RCPT (``check_policy_service``), and gets the answer that a delivery would give: by the same rules and
sums, from a look that changes nothing. ``mstore quota policyd`` is its command line; ``docs/policyd.md`` has the lines
for Postfix. Parts:

- ``protocol``: requests and answers, without input or output;
- ``mailbox``: the look at a mailbox; ``lookups``: doing that in threads, in time;
- ``answers``: what is said to what was found;
- ``server``: many clients on sockets; ``streams``: one on standard input and output.

Not imported by ``mailstore`` itself.
"""

from mailstore.delivery.mailboxes import Mailboxes
from mailstore.policy.answers import Answers
from mailstore.policy.server import Server, Settings
from mailstore.policy.streams import serve_streams
from mailstore.service import inherited, listen, serve

__all__ = ["Answers", "Mailboxes", "Server", "Settings", "inherited", "listen", "serve", "serve_streams"]
