"""The exceptions edgeface raises.

::

    EdgeFaceError
    |-- InvalidInputError (ValueError)         the caller's image, box or coefficients
    |-- ModelFormatError (ValueError)          a model or face-model file
    |   `-- MetadataError                      its description of itself
    |-- BackendUnavailableError (ImportError)  an extra that is not installed
    |-- InferenceError (RuntimeError)          the backend failed while running
    `-- ConversionError (RuntimeError)         a converter failed
        `-- ParityError                        its output differs from the reference

and the warnings that it gives on purpose, `TooManyFacesWarning` and `SwappedChannelsWarning`.
"""


class EdgeFaceError(Exception):
    """Base of every exception that edgeface raises on purpose."""


class InvalidInputError(EdgeFaceError, ValueError):
    """An argument has the wrong type, shape, dtype or value."""


class ModelFormatError(EdgeFaceError, ValueError):
    """A model file is damaged, truncated or of an unknown kind."""


class MetadataError(ModelFormatError):
    """A model file does not describe itself, or in a version this release cannot read."""


class BackendUnavailableError(EdgeFaceError, ImportError):
    """The library that runs this kind of file is not installed."""


class InferenceError(EdgeFaceError, RuntimeError):
    """The backend failed on a valid input."""


class ConversionError(EdgeFaceError, RuntimeError):
    """A network could not be converted."""


class ParityError(ConversionError):
    """A converted file does not reproduce the reference network."""


class TooManyFacesWarning(UserWarning):
    """An image shows more faces than are reported unless more are asked for."""


class SwappedChannelsWarning(UserWarning):
    """The red and blue of an image that came as an array are likely swapped."""
