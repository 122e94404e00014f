"""The exceptions edgeface raises.

::

    EdgeFaceError
    |-- InvalidInputError (ValueError)         the caller's image, box or coefficients
    |-- ModelFormatError (ValueError)          a model or face-model file
    |   `-- MetadataError                      its metadata
    |-- BackendUnavailableError (ImportError)  a library, an extra or a device that is missing
    |-- InferenceError (RuntimeError)          the backend failed while running
    `-- ConversionError (RuntimeError)         a converter failed
        `-- ParityError                        its output differs from the reference

and the warnings, `TooManyFacesWarning` and `SwappedChannelsWarning`.
"""

from typing import ClassVar

_PAGE = "how-to/troubleshooting.html"


class EdgeFaceError(Exception):
    """Base of every exception that edgeface raises on purpose.

    Attributes
    ----------
    page : the page and section of the documentation that help with the error
    """

    page: ClassVar[str] = _PAGE

    def __str__(self) -> str:
        """The message; what UTF-8 cannot hold, as in odd names of files, is written as escapes."""
        return super().__str__().encode(errors="backslashreplace").decode()


class InvalidInputError(EdgeFaceError, ValueError):
    """An argument has the wrong type, shape, dtype or value."""

    page = f"{_PAGE}#invalid-input"


class ModelFormatError(EdgeFaceError, ValueError):
    """A model file is damaged, truncated or of an unknown kind."""

    page = f"{_PAGE}#model-files"


class MetadataError(ModelFormatError):
    """A model file has no metadata, or metadata that this release cannot read."""


class BackendUnavailableError(EdgeFaceError, ImportError):
    """A library, an extra or a device that the call needs is missing."""

    page = f"{_PAGE}#missing-libraries"


class InferenceError(EdgeFaceError, RuntimeError):
    """The backend failed on a valid input."""

    page = f"{_PAGE}#engines"


def why_broken(error: ImportError) -> str:
    """What to add to the remedy if a library is there and cannot be imported; else nothing."""
    if isinstance(error, ModuleNotFoundError):
        return ""
    return f". It is installed, but cannot be imported: {error}"


class ConversionError(EdgeFaceError, RuntimeError):
    """A network could not be converted."""

    page = f"{_PAGE}#converting"


class ParityError(ConversionError):
    """A converted file does not reproduce the reference network."""


class TooManyFacesWarning(UserWarning):
    """An image has more faces than the default ``max_faces``, so that some are not reported."""


class SwappedChannelsWarning(UserWarning):
    """The red and blue channels of an array are probably swapped."""
