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

from typing import ClassVar

_PAGE = "how-to/troubleshooting.html"


class EdgeFaceError(Exception):
    """Base of every exception that edgeface raises on purpose.

    Attributes
    ----------
    page : the place in the documentation that helps with it
    """

    page: ClassVar[str] = _PAGE


class InvalidInputError(EdgeFaceError, ValueError):
    """An argument has the wrong type, shape, dtype or value."""

    page = f"{_PAGE}#invalid-input"


class ModelFormatError(EdgeFaceError, ValueError):
    """A model file is damaged, truncated or of an unknown kind."""

    page = f"{_PAGE}#model-files"


class MetadataError(ModelFormatError):
    """A model file does not describe itself, or in a version this release cannot read."""


class BackendUnavailableError(EdgeFaceError, ImportError):
    """The library that runs this kind of file is not installed."""

    page = f"{_PAGE}#missing-libraries"


class InferenceError(EdgeFaceError, RuntimeError):
    """The backend failed on a valid input."""

    page = f"{_PAGE}#engines"


class ConversionError(EdgeFaceError, RuntimeError):
    """A network could not be converted."""

    page = f"{_PAGE}#converting"


class ParityError(ConversionError):
    """A converted file does not reproduce the reference network."""


class TooManyFacesWarning(UserWarning):
    """An image shows more faces than are reported unless more are asked for."""


class SwappedChannelsWarning(UserWarning):
    """The red and blue of an image that came as an array are likely swapped."""
