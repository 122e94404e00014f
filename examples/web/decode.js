// Raw outputs to faces; the equations of docs/reference/model-format.md.

import { eyeLooks, gazeDegrees, irisCentres } from "./gaze.js";

const MAX_LOG_SIZE = 6;
const DETECTION_WIDTH = 5; // four of the box, and the score
const LEAST_WEIGHT = 1e-12;
const DECODED = ["identity", "expression", "pose", "gaze"]; // others are handed on as they are

const sigmoid = x => 1 / (1 + Math.exp(-x));
const clip = (x, low, high) => Math.min(Math.max(x, low), high);

/**
 * An mfn's faces that reach a score and that no better one overlaps too much.
 * @param {Object<string, {dims: number[], data: Float32Array}>} outputs of one image
 * @param {object} metadata, @param {object} faceModel of `readModelFile`
 * @param {{scale: number[], offset: number[]}} placement of `letterbox`
 * @param {number} scoreThreshold
 * @returns {object[]} faces in image pixels, best first
 */
export function decodeImage(outputs, metadata, faceModel, placement, scoreThreshold) {
  need(outputs, "detection");
  const found = candidates(outputs, metadata, scoreThreshold);
  return suppress(found, metadata.iou_threshold).map(members => {
    const raw = mean(members, scoreThreshold, metadata, Object.keys(outputs));
    return toImage(readFace(raw, metadata, faceModel), placement);
  });
}

/** An sfn's face in one crop of a batch; `placement` is that of `crop`. */
export function decodeCrop(outputs, row, metadata, faceModel, placement) {
  const { input_size: size, crop_scale: scale } = metadata;
  const [low, high] = [(size - size / scale) / 2, (size + size / scale) / 2];
  const values = {};
  for (const [name, { dims, data }] of Object.entries(outputs)) {
    values[name] = Array.from(data.subarray(row * dims[1], (row + 1) * dims[1]));
  }
  const raw = { score: 1, box: [low, low, high, high], values };
  return toImage(readFace(raw, metadata, faceModel), placement);
}

function need(values, name) {
  if (!(name in values)) throw new Error(`the network has no output ${name}`);
  return values[name];
}

function candidates(outputs, metadata, scoreThreshold) {
  const { anchors, stride, cell_range: range } = metadata;
  const within = t => range * sigmoid(t) - (range - 1) / 2;
  const [, numRows, numColumns, depth] = outputs.detection.dims;
  if (numRows * stride !== metadata.input_size || depth !== DETECTION_WIDTH * anchors.length) {
    throw new Error("the output detection has another shape than the metadata says");
  }
  const found = [];
  for (let row = 0; row < numRows; row++) {
    for (let column = 0; column < numColumns; column++) {
      anchors.forEach(([anchorWidth, anchorHeight], a) => {
        const index = (row * numColumns + column) * anchors.length + a;
        const values = name => {
          const { dims, data } = outputs[name];
          const width = dims[3] / anchors.length;
          return data.subarray(index * width, (index + 1) * width);
        };
        const [tx, ty, tw, th, to] = values("detection");
        const score = sigmoid(to);
        if (!(score >= scoreThreshold)) return;
        const x = (within(tx) + column) * stride;
        const y = (within(ty) + row) * stride;
        const w = anchorWidth * Math.exp(clip(tw, -MAX_LOG_SIZE, MAX_LOG_SIZE));
        const h = anchorHeight * Math.exp(clip(th, -MAX_LOG_SIZE, MAX_LOG_SIZE));
        found.push({ score, values, box: [x - w / 2, y - h / 2, x + w / 2, y + h / 2] });
      });
    }
  }
  return found;
}

/** Greedy suppression: each survivor and what it suppressed. Equal scores keep their order. */
function suppress(found, iouThreshold) {
  const kept = [];
  for (const candidate of found.sort((a, b) => b.score - a.score)) {
    const owner = kept.find(([better]) => iou(better.box, candidate.box) > iouThreshold);
    if (owner) owner.push(candidate);
    else kept.push([candidate]);
  }
  return kept;
}

/** A survivor whose box and raw values are the weighted means of all members'. */
function mean(members, scoreThreshold, { iou_threshold: iouThreshold }, names) {
  const weights = members.map(({ score, box }) => // nothing where a candidate would come or go
    Math.max(
      score * (score - scoreThreshold) * (iou(members[0].box, box) - iouThreshold), LEAST_WEIGHT));
  const total = weights.reduce((sum, weight) => sum + weight);
  const meanOf = rows =>
    Array.from(rows[0], (_, k) =>
      rows.reduce((sum, row, i) => sum + (weights[i] / total) * row[k], 0));
  return {
    score: members[0].score,
    box: meanOf(members.map(member => member.box)),
    values: Object.fromEntries(names.filter(name => name !== "detection").map(
      name => [name, meanOf(members.map(member => member.values(name)))])),
  };
}

function iou(a, b) {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
  return (width * height) / (area(a) + area(b) - width * height);
}

/** One face's box, pose, coefficients and landmarks, in input pixels. */
function readFace({ score, box, values }, metadata, faceModel) {
  const pose = need(values, "pose");
  const part = name => pose.slice(...metadata.pose_slices[name]);
  let identity = need(values, "identity");
  let quaternion = part("quaternion_wxyz");
  if (identity[0] < 0) { // the shape reflected, where a half turn is meant
    const [w, x, y, z] = quaternion;
    quaternion = [-z, -y, x, w];
    identity = identity.map(value => -value);
  }
  const expression = need(values, "expression").map(sigmoid);
  const rotation = rotationMatrix(quaternion);
  const translation = part("translation");
  const longer = Math.max(box[2] - box[0], box[3] - box[1]);
  const focal = sigmoid(part("scale_logit")[0]);
  const unit = focal * longer; // input pixels a model unit
  const centre = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 0];
  const landmarks = landmarkShape(faceModel, identity, expression).map(point =>
    rotation.map((row, axis) => {
      const moved = row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + translation[axis];
      return centre[axis] + (axis === 0 ? unit : -unit) * moved; // y and z turn round
    }),
  );
  return {
    box_xyxy: box,
    score,
    landmarks_3d: landmarks,
    euler_deg: eulerDegrees(rotation),
    rotation,
    blendshapes: blendshapes(metadata, expression, values.gaze),
    identity_coeffs: identity,
    expression_coeffs: expression,
    translation,
    focal,
    ...("gaze" in values && { gaze_deg: gazeDegrees(values.gaze) }),
    other_outputs: Object.fromEntries(
      Object.entries(values).filter(([name]) => !DECODED.includes(name))),
  };
}

/** By ARKit's names: two of the coefficients are one of ARKit's, and two are a pair of them. */
function blendshapes({ expression_names: names, unseen_expressions: unseen }, values, gaze) {
  const named = Object.fromEntries(names.map((name, k) => [name, values[k]]));
  for (const name of unseen) delete named[name];
  const { browInnerUpLeft: left, browInnerUpRight: right } = named;
  if (left !== undefined && right !== undefined) {
    named.browInnerUp = (left + right) / 2;
    delete named.browInnerUpLeft;
    delete named.browInnerUpRight;
  }
  for (const single of ["eyeLookUp", "eyeLookDown"]) {
    if (!(single in named)) continue;
    named[`${single}Left`] = named[`${single}Right`] = named[single];
    delete named[single];
  }
  if (gaze) Object.assign(named, eyeLooks(gazeDegrees(gaze)));
  return Object.fromEntries(Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** sum_i w_i (N_i + sum_k e_k E_ik) at the landmarks, in the model's own frame. */
function landmarkShape(model, identity, expression) {
  const length = model.numLandmarks * 3;
  const flat = new Float64Array(length);
  const add = (shapes, index, weight) => {
    for (let i = 0; i < length; i++) flat[i] += weight * shapes[index * length + i];
  };
  for (let i = 0; i < model.numIdentity; i++) add(model.identity, i, identity[i]);
  for (let i = 0; i < model.numSharing; i++) {
    for (let k = 0; k < model.numExpressions; k++) {
      add(model.offsets, i * model.numExpressions + k, identity[i] * expression[k]);
    }
  }
  return Array.from({ length: model.numLandmarks }, (_, l) => [...flat.subarray(3 * l, 3 * l + 3)]);
}

function rotationMatrix(quaternion) {
  const length = Math.hypot(...quaternion);
  const [w, x, y, z] = length > 1e-12 ? quaternion.map(q => q / length) : [1, 0, 0, 0];
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
}

/** Pitch, yaw and roll of R = Rx(pitch) Ry(yaw) Rz(roll). */
function eulerDegrees(r) {
  const degrees = radians => (radians * 180) / Math.PI;
  const sine = clip(r[0][2], -1, 1);
  const locked = Math.abs(sine) > 1 - 1e-9;
  const pitch = locked ? Math.atan2(r[2][1], r[1][1]) : Math.atan2(-r[1][2], r[2][2]);
  const roll = locked ? 0 : Math.atan2(-r[0][1], r[0][0]);
  return [degrees(pitch), degrees(Math.asin(sine)), degrees(roll)];
}

function toImage(face, { scale, offset }) {
  const x = v => (v - offset[0]) / scale[0];
  const y = v => (v - offset[1]) / scale[1];
  const [x0, y0, x1, y1] = face.box_xyxy;
  const depth = (scale[0] + scale[1]) / 2;
  const landmarks = face.landmarks_3d.map(p => [x(p[0]), y(p[1]), p[2] / depth]);
  return {
    ...face,
    box_xyxy: [x(x0), y(y0), x(x1), y(y1)],
    landmarks_2d: landmarks.map(point => point.slice(0, 2)),
    landmarks_3d: landmarks,
    ...(face.gaze_deg && { iris_centres: irisCentres(landmarks, face.rotation, face.gaze_deg) }),
  };
}
