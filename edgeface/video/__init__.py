"""Reading video, tracking and smoothing its faces, and writing it."""

from edgeface.video.reader import Frame, VideoReader, open_video
from edgeface.video.smoothing import FaceSmoother
from edgeface.video.tracker import Tracker
from edgeface.video.writer import VideoWriter

__all__ = ["FaceSmoother", "Frame", "Tracker", "VideoReader", "VideoWriter", "open_video"]
