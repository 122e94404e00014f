"""The annotations of arrays in the kernels say what they hold; docstrings tell their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
"""Numbers of either precision, where a function takes both or promises neither."""
Float32Array = NDArray[np.float32]
"""What kernels return."""
Float64Array = NDArray[np.float64]
"""Places and weights, while they are computed."""
IntArray = NDArray[np.integer[Any]]
"""Rows of other arrays, and groups of candidates."""
ImageArray = NDArray[np.uint8]
"""Pixels (H, W, 3), RGB."""
