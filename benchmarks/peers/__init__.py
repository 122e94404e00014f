"""The same work done by other software, in the same run."""
