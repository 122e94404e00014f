"""What a model file is made of: operators by kind, and weights by layer."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

_PARAMETER = re.compile(r"[._](weight|bias)\b.*$|[._](weight|bias)_.*$")


def summary(operators: Counter[str], weights: Counter[str]) -> dict[str, Any]:
    """The entry ``graph`` of the metadata.

    Parameters
    ----------
    operators : the number of operators of each kind
    weights : the bytes of each constant, by its own name or by that of its layer
    """
    layers: Counter[str] = Counter()
    for name, size in weights.items():
        layers[_PARAMETER.sub("", name)] += size
    return {"operators": dict(operators.most_common()), "layer_bytes": dict(layers.most_common())}
