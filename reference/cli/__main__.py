"""``python -m edgeface.reference.cli``, as ``torchrun -m`` needs it."""

from edgeface.reference.cli import main

main()
