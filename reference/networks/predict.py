"""Finding faces by a network in torch: the oracle that exported files are held against.

The steps are those of the runtime, written again from the same equations.
"""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edgeface.faces import Faces, concatenate
from edgeface.image import crop
from edgeface.reference.geometry.boxes import corners, decode_boxes, pairwise_iou
from edgeface.reference.geometry.morphable import (
    Decoder,
    MorphableModel,
    quaternion_to_rotation,
    unit_quaternion,
)
from edgeface.reference.geometry.pose import euler_deg
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.types import FloatArray, ImageArray

GREY = 127
SCORE_THRESHOLD = 0.65
"""The least score of a detection that counts as a face, unless somebody says otherwise."""
IOU_THRESHOLD = 0.45
"""A box that overlaps a better one by more is the same face."""


def letterbox_input(image: ImageArray, size: int) -> tuple[ImageArray, FloatArray, FloatArray]:
    """The MFN's input uint8 (S, S, 3), with the scale (2,) and offset (2,) from image to input."""
    height, width = image.shape[:2]
    exact: FloatArray = np.array([width, height]) * size / max(height, width)
    rounded = np.round(exact)
    inner = np.maximum(1, rounded).astype(int)
    offset = (size - inner) // 2
    view = Image.new("RGB", (size, size), (GREY, GREY, GREY))
    small = Image.fromarray(image).resize(
        tuple(inner.tolist()), Image.Resampling.BILINEAR, reducing_gap=3.0
    )
    view.paste(small, tuple(offset.tolist()))
    return np.asarray(view), inner / np.array([width, height]), offset.astype(float)


@dataclass(frozen=True)
class Candidates:
    """What an MFN says of the F faces of its input, each from several of N candidates.

    Attributes
    ----------
    boxes (N, 4), rows : the boxes (cx, cy, w, h), ``input_px``, and the four outputs, a row each
    kept (F,) : the best candidate of each face
    shares (F, N) : the weights of the candidates in the mean that is a face; each row's sum is 1
    """

    boxes: Tensor
    rows: list[Tensor]
    kept: Tensor
    shares: Tensor

    @property
    def scores(self) -> Tensor:
        """The scores (F,) of the faces."""
        return torch.sigmoid(self.rows[0][self.kept, 4])


@torch.no_grad()
def find_candidates(
    trained: TrainedNetwork, view: ImageArray, score_threshold: float, iou_threshold: float
) -> Candidates:
    """The faces that an MFN finds in its input uint8 (S, S, 3)."""
    config = trained.config
    anchors = torch.tensor(config.anchors)
    outputs = trained.network(torch.from_numpy(view[None].copy()))
    rows = [o[0].reshape(-1, o.shape[-1] // len(anchors)) for o in outputs]
    grid = outputs[0].reshape(1, config.grid_size, config.grid_size, len(anchors), 5)
    boxes = decode_boxes(grid, anchors, config.stride, config.cell_range).reshape(-1, 4)
    scores = torch.sigmoid(rows[0][:, 4])
    return Candidates(
        boxes, rows, *_survivors(corners(boxes), scores, score_threshold, iou_threshold)
    )


@torch.inference_mode()
def predict_faces(
    trained: TrainedNetwork,
    image: ImageArray,
    score_threshold: float,
    iou_threshold: float,
) -> Faces:
    """All faces that an MFN finds in an image uint8 (H, W, 3)."""
    view, scale, offset = letterbox_input(image, trained.config.input_size)
    found = find_candidates(trained, view, score_threshold, iou_threshold)
    boxes, identity, expression, pose = (
        found.shares @ values for values in (found.boxes, *found.rows[1:])
    )
    identity, pose = _reflected_back(identity, pose)
    points = _points(trained, identity, expression, pose) * boxes[:, 2:].amax(dim=1)[:, None, None]
    points[..., :2] += boxes[:, None, :2]
    to_image = np.array([*(1 / scale), 1 / scale.mean()])
    landmarks = (points.numpy() - [*offset, 0.0]) * to_image
    flat = (corners(boxes).numpy().reshape(-1, 2, 2) - offset) / scale
    return _faces(trained, flat.reshape(-1, 4), found.scores, landmarks, identity, expression, pose)


def predict_boxes(trained: TrainedNetwork, image: ImageArray, boxes: FloatArray) -> Faces:
    """The faces that an SFN or a fusion network sees in boxes (N, 4) of an image, N >= 1."""
    faces: list[Faces] = []
    for box in boxes:
        pixels, placement = crop(image, box, CROP_SCALE, trained.config.input_size)
        seen = predict_crop(trained, pixels)
        landmarks = seen.landmarks_3d.copy()
        landmarks[..., :2] = placement.to_image(landmarks[..., :2])
        landmarks[..., 2] /= placement.scale.mean()
        at = box[None].astype(np.float32)
        faces.append(replace(seen, landmarks_3d=landmarks, boxes_xyxy=at))
    return concatenate(faces, faces[0])


@torch.inference_mode()
def predict_crop(trained: TrainedNetwork, crop: ImageArray) -> Faces:
    """The face that an SFN or a fusion network sees in its input uint8 (S, S, 3).

    ``image_px`` is the crop's.
    """
    size = trained.config.input_size
    side = size / CROP_SCALE
    outputs = trained.network(torch.from_numpy(crop[None].copy()))
    if trained.config.network_kind.corrects_shape:
        return _corrected_face(trained, outputs, size, side)
    identity, expression, pose, *gaze = outputs
    identity, pose = _reflected_back(identity, pose)
    landmarks = _points(trained, identity, expression, pose).numpy() * side
    landmarks[..., :2] += size / 2
    box = np.array([[size - side, size - side, size + side, size + side]]) / 2
    seen = _faces(trained, box, torch.ones(1), landmarks, identity, expression, pose)
    if gaze:
        seen = replace(seen, gaze_deg=torch.rad2deg(gaze[0]).reshape(1, 2, 2).numpy())
    return seen


def _corrected_face(
    trained: TrainedNetwork, outputs: tuple[Tensor, ...], size: int, side: float
) -> Faces:
    identity, expression, correction, pose = outputs
    model = trained.face_model
    decoder = Decoder(model, model.landmark_vertices, model.landmark_weights)
    rotation, scale = decoder.rotation(pose), decoder.scale(pose)
    landmarks = (decoder.posed(*outputs) * side).numpy()
    landmarks[..., :2] += size / 2
    box = np.array([[size - side, size - side, size + side, size + side]]) / 2
    translation = torch.cat([pose[:, 4:] / scale * torch.tensor([1.0, -1.0]), 0 * scale], dim=1)
    return Faces(
        boxes_xyxy=box.astype(np.float32),
        scores=np.ones(1, np.float32),
        landmarks_3d=landmarks.astype(np.float32),
        identity_coeffs=identity.numpy(),
        expression_coeffs=torch.sigmoid(expression).numpy(),
        rotation=rotation.numpy(),
        euler_deg=euler_deg(rotation.numpy()),
        translation=translation.numpy(),
        focal=scale[:, 0].numpy(),
        expression_names=model.expression_names,
        face_model=model,
        correction_coeffs=correction.numpy(),
    )


def _survivors(
    boxes: Tensor, scores: Tensor, score_threshold: float, iou: float
) -> tuple[Tensor, Tensor]:
    """Greedy suppression: the survivors' indices (F,), and each candidate's share in each (F, N).

    The best comes first. A face is the mean of its survivor and the candidates that it suppressed,
    weighed by ``score (score - score_threshold) (IoU - iou)``.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[scores[order] >= score_threshold]
    overlaps = pairwise_iou(boxes[order], boxes[order])
    alive = torch.ones(len(order), dtype=torch.bool)
    kept: list[int] = []
    shares = torch.zeros(len(order), len(scores))
    for i in range(len(order)):
        if alive[i]:
            mine = alive & (overlaps[i] > iou)
            mine[i] = True
            mine_scores, overlap = scores[order[mine]], overlaps[i, mine]
            weight = mine_scores * (mine_scores - score_threshold) * (overlap - iou)
            shares[len(kept), order[mine]] = weight.clamp(min=1e-12)
            alive &= ~mine
            kept.append(i)
    shares = shares[: len(kept)]
    return order[kept], shares / shares.sum(dim=1, keepdim=True)


def _reflected_back(identity: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
    """A half turn instead of a shape reflected through its origin, which looks the same."""
    reflected = identity[:, :1] < 0
    w, x, y, z = pose[:, :4].unbind(dim=1)
    half_turned = torch.cat([torch.stack([-z, -y, x, w], dim=1), pose[:, 4:]], dim=1)
    return torch.where(reflected, -identity, identity), torch.where(reflected, half_turned, pose)


def _points(trained: TrainedNetwork, identity: Tensor, expression: Tensor, pose: Tensor) -> Tensor:
    """Landmarks with depth (F, 68, 3), ``face_norm``."""
    morphable = MorphableModel(trained.face_model)
    shape = morphable.landmarks(identity, torch.sigmoid(expression))
    rotation = quaternion_to_rotation(unit_quaternion(pose[:, :4]))
    posed = torch.einsum("fij,flj->fli", rotation, shape) + pose[:, None, 4:7]
    return torch.sigmoid(pose[:, 7])[:, None, None] * posed * torch.tensor([1.0, -1.0, -1.0])


def _faces(
    trained: TrainedNetwork,
    boxes: FloatArray,
    scores: Tensor,
    landmarks: FloatArray,
    identity: Tensor,
    expression: Tensor,
    pose: Tensor,
) -> Faces:
    rotation = quaternion_to_rotation(unit_quaternion(pose[:, :4])).numpy()
    return Faces(
        boxes_xyxy=boxes.astype(np.float32),
        scores=scores.numpy(),
        landmarks_3d=landmarks.astype(np.float32),
        identity_coeffs=identity.numpy(),
        expression_coeffs=torch.sigmoid(expression).numpy(),
        rotation=rotation,
        euler_deg=euler_deg(rotation),
        translation=pose[:, 4:7].numpy(),
        focal=torch.sigmoid(pose[:, 7]).numpy(),
        expression_names=trained.face_model.expression_names,
    )
