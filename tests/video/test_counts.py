"""CLEAR MOT's counts, by hand."""

import numpy as np

from tests.measures.clear_mot import count, read_truth

A, B = np.array([0, 0, 10, 10.0]), np.array([50, 0, 60, 10.0])


def test_switches_fragmentations_misses_and_false_alarms():
    truth = [({"ann": A, "bob": B}, {})] * 6
    tracked = [
        {1: A, 2: B},
        {1: A},  # bob missed
        {1: A, 2: B},  # fragmentation
        {2: A, 1: B},  # two switches
        {2: A, 1: B, 7: A + 500},  # false alarm
        {2: A, 3: B},  # switch
    ]
    total = count(truth, tracked)
    assert (total.faces, total.misses, total.false_alarms) == (12, 1, 1)
    assert (total.switches, total.fragmentations) == (3, 1)
    assert total.ids_of == {"ann": [1, 2], "bob": [2, 1, 3]}


def test_ignored_faces_neither_count_nor_harm():
    total = count([({"ann": A}, {"bob": B})] * 2, [{1: A, 2: B}, {1: A}])
    assert (total.faces, total.misses, total.false_alarms) == (2, 0, 0)


def test_a_pair_stays_while_it_overlaps():
    close = np.array([2, 0, 12, 10.0])
    total = count([({"ann": A}, {})] * 2, [{1: A}, {1: close, 2: A}])
    assert total.switches == 0


def test_the_truth_is_whole():
    frames = read_truth()
    assert len(frames) == 105
    assert sum(len(counts) for counts, _ in frames) == 458
    for counts, ignored in frames:
        assert not counts.keys() & ignored.keys()
        for box in [*counts.values(), *ignored.values()]:
            assert (box[2:] > box[:2]).all()
