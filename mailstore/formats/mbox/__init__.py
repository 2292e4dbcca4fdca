"""The mbox family as pure functions: From_ lines, dialects and quoting, metadata headers, whole records.

Nothing here touches a file; every function takes and returns bytes or frozen values. ``docs/formats/mbox.md`` tells
the same in prose.
"""
