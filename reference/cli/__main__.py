"""``python -m edgeface.reference.cli``, as ``torchrun -m`` needs it."""

import sys

from edgeface.reference.cli import main

if __name__ == "__main__":
    sys.exit(main())
