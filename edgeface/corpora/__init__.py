"""Corpora: the faces of millions of photos, as a folder of Parquet files that can be resumed."""

from edgeface.corpora.label import FaceLabeller, Part
from edgeface.corpora.run import Summary, run_corpus
from edgeface.corpora.store import Store

__all__ = ["FaceLabeller", "Part", "Store", "Summary", "run_corpus"]
