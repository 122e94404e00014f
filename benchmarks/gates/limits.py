"""What gates: ratios of two things measured in one run, one thread each.

Absolute times depend on the machine and are recorded only. A limit leaves room for other machines
above what was measured (``docs/explanation/speed.md``); a kernel that got twice as slow passes none
of them unnoticed. Keys name the case in ``ratios.py``.
"""

LIMITS = {
    # run over the bare network, a 640 x 480 image with one face
    "run over network, numba": 1.25,
    "run over network, numpy": 1.80,
    # the promise: cost does not grow with the number of faces
    "run with 20 faces over 1, numba": 1.10,
    "run with 20 faces over 1, numpy": 1.25,
    "post-processing of 20 faces over 1, numba": 4.0,
    # kernels over their numpy twin, over the plain oracle and over what they replaced
    "post-processing, numba over numpy": 0.4,
    "decode and suppress over the oracle, numba": 0.1,
    "decode and suppress over the oracle, numpy": 1.2,
    "resize 1920 x 1080 over Pillow, numba": 0.6,
    "resize 1920 x 1080 over Pillow, numpy": 3.0,
    # the full 204 x 50 x 47 tensor for 20 faces, over copying it once
    "contraction of 20 faces over a copy of the tensor, numba": 20.0,
    "contraction of 20 faces over a copy of the tensor, numpy": 20.0,
}
