"""The annotations of arrays in the runtime say what they hold; docstrings tell their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
"""Numbers of either precision, where a function takes both or promises neither."""
Float32Array = NDArray[np.float32]
"""What networks and kernels return, and what `edgeface.Faces` holds."""
Float64Array = NDArray[np.float64]
"""Geometry, while it is computed."""
IntArray = NDArray[np.integer[Any]]
"""Counts, and numbers of rows in other arrays."""
BoolArray = NDArray[np.bool_]
"""Masks."""
ImageArray = NDArray[np.uint8]
"""Pixels: RGB of an image (H, W, 3), or of a batch of network inputs (B, S, S, 3)."""
AnyArray = NDArray[Any]
"""An array of anything, before it has been checked or where it does not matter."""
