"""Corpora: the faces of millions of photos, as a folder of Parquet files that can be resumed."""

from edgeface.corpora.label import FaceLabeller, Part
from edgeface.corpora.run import Engine, Summary, run_corpus
from edgeface.corpora.store import Store

__all__ = ["Engine", "FaceLabeller", "Part", "Store", "Summary", "run_corpus"]
