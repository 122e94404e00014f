"""Landmark conventions: which points a database labels, and where they lie on the face model.

Each convention is a JSON file beside this module. ``docs/reference/conventions.md`` gives its
format and says how to add one.
"""

from edgeface.reference.conventions.convention import NAMES, Convention, read_convention
from edgeface.reference.conventions.unified import UnifiedLandmarks, unify

__all__ = ["NAMES", "Convention", "UnifiedLandmarks", "read_convention", "unify"]
