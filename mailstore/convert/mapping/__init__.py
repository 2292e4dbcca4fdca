"""Under which names the folders of a source are to stand in the destination.

``FolderMapping`` says what is wanted, ``route`` works it out for a whole listing and finds what collides. Nothing here
opens or changes anything.
"""

from mailstore.convert.mapping.routes import Collision, Route, Routing, route
from mailstore.convert.mapping.rules import FolderMapping
from mailstore.convert.mapping.substitution import Substitution

__all__ = ["Collision", "FolderMapping", "Route", "Routing", "Substitution", "route"]
