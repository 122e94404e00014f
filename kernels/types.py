"""What arrays hold, as the annotations of the kernels say it; docstrings tell the shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
"""Numbers of either precision, where a function takes both or promises neither."""
Float32Array = NDArray[np.float32]
"""What kernels give."""
Float64Array = NDArray[np.float64]
"""What places and weights are computed in."""
IntArray = NDArray[np.integer[Any]]
"""Rows of other arrays, and groups of candidates."""
ImageArray = NDArray[np.uint8]
"""Pixels (H, W, 3), RGB."""
HeadArray = NDArray[np.float32 | np.int8 | np.uint8]
"""A raw output of a network: logits, or integers that stand for them."""
