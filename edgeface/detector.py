"""`Detector` finds faces by as many passes as it takes: image -> input -> heads -> faces."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeface import kernels, passes, second_look, turning
from edgeface.errors import TooManyFacesWarning
from edgeface.faces import Faces
from edgeface.heads import HeadDecoder
from edgeface.image import Placement, letterbox
from edgeface.metadata import SIZE_STEP, Metadata
from edgeface.network import Heads
from edgeface.passes import View
from edgeface.run_options import MAX_FACES, DetectionOptions
from edgeface.types import BoolArray, ImageArray

LEAST_SCORE = 0.05
"""The least score that a second look takes for a hint of a face."""
TOGETHER = 4
"""How many first passes are one call of the network: it reads its weights once for all of them, and
what more of them leave in memory no longer fits the processor's caches."""
CALLER = 5
"""Where a warning points, in frames: to the line that called `Model.run` or `Model.run_batch`."""
AS_IT_IS = Placement(np.ones(2), np.zeros(2))

Infer = Callable[[ImageArray], Heads]
"""`edgeface.network.Network.infer`."""


class Detector:
    """Finds the faces of images by a network that detects.

    Parameters
    ----------
    metadata : what the network's file says of itself
    decoder : makes faces of the network's outputs
    infer : runs the network on a batch of inputs
    """

    def __init__(self, metadata: Metadata, decoder: HeadDecoder, infer: Infer) -> None:
        self._metadata, self._decoder, self._infer = metadata, decoder, infer
        size, usual = metadata.input_size, metadata.usual_size
        # an input that is much larger than usual loses what is large, so it never comes first
        self._closer_side = max(passes.TILE_SIDE, size) if metadata.any_size else size
        self._step = SIZE_STEP if metadata.any_size else size
        self._stays_large = size > passes.MUCH_LARGER * usual
        self._first_side = usual if self._stays_large else size

    def find(
        self, images: list[ImageArray], options: DetectionOptions, engine: kernels.Engine
    ) -> list[Faces]:
        """Find the faces of images (H, W, 3), `TOGETHER` of them at a time."""
        found: list[Faces] = []
        for start in range(0, len(images), TOGETHER):
            found += self._find(images[start : start + TOGETHER], options, engine)
        if options.look_again and options.detail != "fast":
            for row, faces in enumerate(found):
                if not turning.is_upright(faces):
                    found[row] = self._turned(images[row], faces, options, engine)
        for row, faces in enumerate(found):  # at last: what is looked at again may be left out
            found[row] = _cut(faces, options)
        return found

    def _turned(
        self, pixels: ImageArray, upright: Faces, options: DetectionOptions, engine: kernels.Engine
    ) -> Faces:
        """Find the faces of an image that lies on its side or head; else ``upright``, as it is."""
        turns = self._likely_turn(pixels, engine)
        if not turns:
            return upright
        turned = np.ascontiguousarray(np.rot90(pixels, turns))
        (faces,) = self._find([turned], options, engine)
        if not turning.shows_more(faces, upright):
            return upright
        return turning.turn_faces(faces, -turns, (turned.shape[0], turned.shape[1]))

    def _likely_turn(self, pixels: ImageArray, engine: kernels.Engine) -> int:
        """After how many quarter turns an image shows faces best, by one pass; 0 if it does not."""
        tile = self._first_side // 2
        seen, _ = letterbox(pixels, tile, engine)
        return turning.best_turn(self._seen(turning.all_turns(seen), engine), tile)

    def _find(
        self, images: list[ImageArray], options: DetectionOptions, engine: kernels.Engine
    ) -> list[Faces]:
        """Find the faces of images whose first passes are one batch."""
        fast = options.detail == "fast"
        side = self._metadata.input_size if fast else self._first_side
        placed = [letterbox(pixels, side, engine) for pixels in images]
        heads = self._infer(np.stack([tensor for tensor, _ in placed]))
        found: list[Faces] = []
        for row, (pixels, (_, placement)) in enumerate(zip(images, placed, strict=True)):
            first = {name: head[row] for name, head in heads.items()}
            faces = None if fast else self._closer(pixels, first, placement, options, engine)
            if faces is None:
                faces = self._decoder.detected(
                    first,
                    placement,
                    options.score_threshold,
                    options.iou_threshold,
                    max_faces=options.max_looked_at + 1,
                    suppression=options.suppression,
                    engine=engine,
                )
            faces = replace(faces, truncated=len(faces) > options.max_looked_at)
            if options.look_again:
                faces = faces.select(self.hold_up(pixels, faces, engine))
            found.append(faces)
        return found

    def hold_up(self, pixels: ImageArray, faces: Faces, engine: kernels.Engine) -> BoolArray:
        """Tell by this network which faces hold up (`edgeface.second_look.hold_up`)."""
        return second_look.hold_up(
            pixels, faces, self._first_side, lambda tensor: self._seen(tensor, engine)
        )

    def _seen(self, input_tensor: ImageArray, engine: kernels.Engine) -> Faces:
        """Find all faces of an input, down to low scores, in ``input_px``."""
        return self._decoder.detected(
            {name: head[0] for name, head in self._infer(input_tensor[None]).items()},
            AS_IT_IS,
            LEAST_SCORE,
            self._metadata.iou_threshold,
            max_faces=MAX_FACES,
            suppression="weighted",
            engine=engine,
        )

    def _closer(
        self,
        pixels: ImageArray,
        heads: Heads,
        placement: Placement,
        options: DetectionOptions,
        engine: kernels.Engine,
    ) -> Faces | None:
        """Find faces by more passes; None if the first one is enough."""
        candidates = self._look_closer(pixels, heads, placement, options, engine)
        if candidates is None:
            return None
        merged = kernels.merge_candidates(
            candidates,
            options.score_threshold,
            options.iou_threshold,
            max_faces=options.max_looked_at + 1,
            method=options.suppression,
            engine=engine,
        )
        return self._decoder.posed(merged, AS_IT_IS, engine)

    def _look_closer(
        self,
        pixels: ImageArray,
        heads: Heads,
        placement: Placement,
        options: DetectionOptions,
        engine: kernels.Engine,
    ) -> kernels.FoundFaces | None:
        """Find the candidates of all passes, ``image_px``; None if the first pass is enough."""
        size_hw = pixels.shape[0], pixels.shape[1]
        least = min(options.score_threshold, passes.FAINT_SCORE)
        seen = self._decoder.candidates(heads, placement, least, engine)
        before = [passes.first_view(size_hw, self._first_side)]
        small = passes.are_small(seen.boxes_xyxy, before[0].scale)
        best = seen.scores.max(initial=0.0)
        unseen = best >= passes.SOMEBODY_SCORE or max(size_hw) > self._closer_side
        nobody = best < passes.NOBODY_SCORE and unseen
        whole = options.detail == "full" or nobody or self._stays_large
        kept: list[kernels.FoundFaces] = []
        scales = passes.closer_scales(max(size_hw), self._first_side, self._closer_side)
        most = None if options.detail == "full" else passes.AUTO_LEVELS
        for scale in itertools.islice(scales, most):
            views = self._views(size_hw, scale, None if whole else _rows(seen, small))
            if not views:
                break
            again = small & passes.in_any(views, seen.boxes_xyxy, size_hw)
            kept.append(_rows(seen, ~again))
            looks = [self._look(pixels, view, least, engine) for view in views]
            looks = [
                _doubted(look, passes.suspected(look.boxes_xyxy, *seen[:2], before, size_hw))
                for look in looks
            ]
            seen, before = _joined(looks), views
            shown_at = np.repeat([v.scale for v in views], [len(look.scores) for look in looks])
            small = passes.are_small(seen.boxes_xyxy, shown_at)
            whole = options.detail == "full"
        return _joined([*kept, seen]) if kept else None

    def _views(
        self, size_hw: tuple[int, int], scale: float, small: kernels.FoundFaces | None
    ) -> list[View]:
        """The views of a closer look at small candidates, or at the whole image if None."""
        part, side, step = (0, 0, size_hw[1], size_hw[0]), self._closer_side, self._step
        if small is None:
            return passes.tiles_of(part, scale, side, step)
        hints = small.boxes_xyxy[small.scores >= passes.HINT_SCORE]
        if not len(hints):
            return []
        if step < side:  # an input of one size costs the same however little it shows
            faint = small.boxes_xyxy[small.scores >= passes.FAINT_SCORE]
            part = passes.surroundings(faint, size_hw)
        views = passes.tiles_of(part, scale, side, step)
        return passes.views_with(views, hints, size_hw)

    def _look(
        self, pixels: ImageArray, view: View, least: float, engine: kernels.Engine
    ) -> kernels.FoundFaces:
        """Find the candidates of small faces in a closer view, ``image_px``."""
        tensor, placement = letterbox(view.cut(pixels), view.input_hw, engine)
        corner = np.array(view.part[:2])
        placement = replace(placement, offset=placement.offset - corner * placement.scale)
        heads = {name: head[0] for name, head in self._infer(tensor[None]).items()}
        seen = self._decoder.candidates(heads, placement, least, engine)
        return _rows(seen, view.takes(seen.boxes_xyxy, (pixels.shape[0], pixels.shape[1])))


def _rows(candidates: kernels.FoundFaces, rows: BoolArray) -> kernels.FoundFaces:
    return kernels.FoundFaces(*(array[rows] for array in candidates))


def _doubted(candidates: kernels.FoundFaces, suspected: BoolArray) -> kernels.FoundFaces:
    believed = np.where(suspected, 1.0, passes.DOUBT).astype(candidates.scores.dtype)
    return candidates._replace(scores=candidates.scores * believed)


def _joined(parts: list[kernels.FoundFaces]) -> kernels.FoundFaces:
    return kernels.FoundFaces(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _cut(faces: Faces, options: DetectionOptions) -> Faces:
    """Keep the best faces, as many as are asked for, and note whether there were more."""
    if len(faces) <= options.max_faces and not faces.truncated:
        return faces
    if options.limit_is_default:
        warnings.warn(
            f"more than {options.max_faces} faces were found, and the best {options.max_faces} "
            "are reported: ask for more by max_faces",
            TooManyFacesWarning,
            stacklevel=CALLER,
        )
    best = np.arange(min(len(faces), options.max_faces))
    return replace(faces.select(best), truncated=True)
