"""The benchmark suite behind ``edgeface bench``, which needs no more than the runtime."""
