"""The benchmark suite behind ``edgeface bench``; needs nothing that the runtime does not."""
