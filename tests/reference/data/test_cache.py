"""What was kept between runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeface.reference.data.cache import read_arrays, save_arrays


def test_arrays_that_were_damaged_count_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    save_arrays(path, {"x": np.arange(40.0)})
    whole = path.read_bytes()
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x01\x02", 10), (b"{'descr'", 0)):
        damaged = bytearray(whole)
        damaged[damaged.index(mark) + offset] ^= 0x21  # encrypted, compressed otherwise, no header
        path.write_bytes(damaged)
        assert read_arrays(path) is None
