"""Files and texts changed at random, and what the project makes of them.

``test_fuzz.py`` tries some with the other tests; ``python -m tests.fuzz --mutants 100000`` as many
as a night is long, in processes of their own, so that crashes and hangs are seen.
"""
