"""Trying mutants of one kind in a process of its own, so that crashes and hangs are seen."""

from __future__ import annotations

import collections
import multiprocessing
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np

from edgeface import EdgeFaceError
from tests.fuzz.targets import TARGETS

TIMEOUT_S = 60.0
COLUMNS = ("refused", "accepted", "foreign", "crash", "hang")


def outcome_of(target, data, path):
    """What reading these bytes ends in: refused, accepted, or the name of a foreign exception."""
    path.write_bytes(data)
    try:
        target.read(path)
    except EdgeFaceError:
        return "refused", ""
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "foreign", f"{type(error).__name__}: {error} @ {place.filename}:{place.lineno}"
    return "accepted", ""


def mutant(target, seeds, seed, number):
    """The damaged file of this number."""
    random = np.random.default_rng([seed, number])
    return target.mutate(seeds[number % len(seeds)], random)


def work(name, seed, numbers, report):
    """The process: outcome, what was foreign, and number of every mutant go to ``report``."""
    warnings.simplefilter("ignore")
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        seeds = target.seeds(Path(folder))
        report.send(("ready", "", -1))
        for number in numbers:
            data = mutant(target, seeds, seed, number)
            report.send(
                (*outcome_of(target, data, Path(folder) / f"mutant{target.suffix}"), number)
            )
    report.close()


def fuzz(name, seed, first, count, show):
    """Counts of outcomes of one kind; ``show`` is told of whatever is none of ours."""
    context, counts = multiprocessing.get_context("spawn"), collections.Counter()
    number, end = first, first + count
    while number < end:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(name, seed, range(number, end), theirs))
        process.start()
        theirs.close()
        ready = False
        try:
            while number < end:
                if not mine.poll(TIMEOUT_S if ready else 600.0):
                    counts["hang"] += 1
                    show(f"{name} {number}: hang")
                    number += 1
                    break
                outcome, text, done = mine.recv()
                ready = True
                if done < 0:
                    continue
                counts[outcome] += 1
                number = done + 1
                if text:
                    show(f"{name} {done}: {text}")
        except EOFError:
            counts["crash"] += 1
            show(f"{name} {number}: crash")
            number += 1
        process.kill()
        process.join()
    return counts
