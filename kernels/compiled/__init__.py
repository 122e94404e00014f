"""Kernels as scalar loops for numba; importing one of these files imports numba.

Every function fills buffers of its caller, allocates nothing and never raises: the wrappers in
``kernels/`` have checked the arguments. With NUMBA_DISABLE_JIT=1 they are plain Python.
"""
