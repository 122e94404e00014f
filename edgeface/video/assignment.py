"""Solving the assignment problem: which detection continues which track."""

from __future__ import annotations

import numpy as np

from edgeface.types import FloatArray, IntArray

FORBIDDEN = 1e6
"""The cost of a pair that must not be made."""


def assign(cost: FloatArray) -> list[tuple[int, int]]:
    """Find the one-to-one assignment of least total cost.

    Parameters
    ----------
    cost : float, shape (N, M), >= 0
        Pairs that cost `FORBIDDEN` or more are never made, however few others there are.

    Returns
    -------
    The pairs (row, column) in rising order of rows; none if either side is empty.

    Notes
    -----
    The Hungarian method by shortest augmenting paths (Jonker and Volgenant 1987) on a matrix padded
    to a square, in O(n^3). A frame has few faces, and SciPy would weigh more than the rest of the
    runtime together.

    Examples
    --------
    >>> assign(np.array([[1.0, 2.0], [0.5, 9.0]]))
    [(0, 1), (1, 0)]
    """
    rows, columns = cost.shape
    size = max(rows, columns)
    square = np.full((size, size), FORBIDDEN)
    square[:rows, :columns] = np.minimum(cost, FORBIDDEN)
    row_of = _solve(square)
    pairs = [(int(row), column) for column, row in enumerate(row_of)]
    return sorted((r, c) for r, c in pairs if square[r, c] < FORBIDDEN)


def _solve(cost: FloatArray) -> IntArray:
    """Find the row of each column of a square matrix."""
    size = len(cost)
    row_price, column_price = np.zeros(size), np.zeros(size)
    row_of = np.full(size, -1)
    for start in range(size):
        distance = np.full(size, np.inf)
        came_from = np.full(size, -1)
        settled = np.zeros(size, bool)
        row, column, length = start, -1, 0.0
        while True:
            slack = length + cost[row] - row_price[row] - column_price
            shorter = ~settled & (slack < distance)
            distance[shorter], came_from[shorter] = slack[shorter], column
            column = int(np.argmin(np.where(settled, np.inf, distance)))
            length = distance[column]
            settled[column] = True
            if row_of[column] < 0:
                break
            row = row_of[column]
        # prices that keep every reduced cost >= 0, then turn the pairs along the path
        row_price[start] += length
        reached = settled & (row_of >= 0)
        row_price[row_of[reached]] += length - distance[reached]
        column_price[settled] -= length - distance[settled]
        while column >= 0:
            previous = came_from[column]
            row_of[column] = row_of[previous] if previous >= 0 else start
            column = previous
    return row_of
