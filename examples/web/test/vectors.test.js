// The package against the test vectors, in Node:  node --test
// `check.js` runs the page in a browser. EDGEFACE_VECTORS is another folder of vectors.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { decodeCrop, decodeImage } from "../decode.js";
import { EdgeFace, EdgeFaceWorker } from "../edgeface.js";
import { readModelFile } from "../model-file.js";
import { readPng } from "./png.js";

const root = join(import.meta.dirname, "../../..");
const folder = process.env.EDGEFACE_VECTORS ?? join(root, "examples/vectors");
const networks = {};
for (const name of ["mfn", "sfn"]) {
  const vectors = JSON.parse(await readFile(join(folder, `${name}.json`), "utf8"));
  const file = new Uint8Array(await readFile(join(root, `edgeface/assets/${name}.onnx`)));
  const image = readPng(await readFile(join(folder, vectors.input.file)));
  networks[name] = { vectors, file, image };
}
const { mfn, sfn } = networks;
const ITSELF = { scale: [1, 1], offset: [0, 0] };
const NOBODY = -30; // logit

function assertFaces(faces, expected, limit) {
  assert.equal(faces.length, expected.length);
  faces.forEach((face, i) => compare(face, expected[i], limit, `face ${i}`));
  for (const face of faces) {
    assert.deepEqual(face.landmarks_2d, face.landmarks_3d.map(([x, y]) => [x, y]));
  }
}

/** Compares all numbers of two values of the same structure. */
function compare(got, wanted, limit, place) {
  if (typeof wanted === "number") {
    assert.ok(Math.abs(got - wanted) <= limit, `${place}: ${got} for ${wanted}`);
    return;
  }
  if (Array.isArray(wanted)) assert.equal(got.length, wanted.length, place);
  for (const key of Object.keys(wanted)) {
    compare(got[key], wanted[key], limit, `${place}, ${key}`);
  }
}

/** Raw outputs in which only the candidates of the vectors are faces, and one that is unknown. */
function outputsOf({ outputs, candidates, metadata }) {
  const numAnchors = metadata.anchors.length;
  const made = {};
  for (const [name, { shape: [rows, columns, depth] }] of Object.entries(outputs)) {
    const width = depth / numAnchors;
    const data = new Float32Array(rows * columns * depth);
    if (name === "detection") for (let i = 4; i < data.length; i += width) data[i] = NOBODY;
    for (const { cell: [row, column, anchor], ...values } of candidates) {
      data.set(values[name], ((row * columns + column) * numAnchors + anchor) * width);
    }
    made[name] = { dims: [1, rows, columns, depth], data };
  }
  const [, rows, columns] = made.detection.dims;
  const depth = 2 * numAnchors;
  made.later = { dims: [1, rows, columns, depth],
    data: new Float32Array(rows * columns * depth).fill(0.5) };
  return made;
}

test("faces of an mfn come out of their raw outputs", async () => {
  const { metadata, faceModel } = await readModelFile(mfn.file);
  const { vectors } = mfn;
  const faces = decodeImage(
    outputsOf(vectors), metadata, faceModel, ITSELF, vectors.score_threshold);
  assertFaces(faces, vectors.faces, 1e-3);
  for (const { other_outputs: { later } } of faces) compare(later, [0.5, 0.5], 1e-9, "later");
});

test("the face of an sfn comes out of its raw outputs", async () => {
  const { metadata, faceModel } = await readModelFile(sfn.file);
  const outputs = { later: { dims: [1, 2], data: Float32Array.of(0.5, -0.5) } };
  for (const [name, values] of Object.entries(sfn.vectors.outputs)) {
    outputs[name] = { dims: [1, values.length], data: Float32Array.from(values) };
  }
  const face = decodeCrop(outputs, 0, metadata, faceModel, ITSELF);
  assertFaces([face], sfn.vectors.faces, 1e-3);
  assert.deepEqual(face.other_outputs, { later: [0.5, -0.5] });
});

test("an output for where the eyes look is carried", async () => {
  const { metadata, faceModel } = await readModelFile(sfn.file);
  const { raw, ...expected } = sfn.vectors.gaze;
  const outputs = { gaze: { dims: [1, 4], data: Float32Array.from(raw) } };
  for (const name of ["identity", "expression", "pose"]) {
    const values = sfn.vectors.outputs[name];
    outputs[name] = { dims: [1, values.length], data: Float32Array.from(values) };
  }
  const face = decodeCrop(outputs, 0, metadata, faceModel, ITSELF);
  compare(face, expected, 1e-3, "gaze");
  assert.deepEqual(face.other_outputs, {});
});

test("an mfn finds the faces of its input", async () => {
  const model = await EdgeFace.load(mfn.file, { numThreads: 1 });
  const { vectors: { faces, score_threshold: scoreThreshold } } = mfn;
  assertFaces(await model.run(mfn.image, { scoreThreshold }), faces, 5e-3);
  await assert.rejects(model.refine(mfn.image, faces), /finds its own faces/);
  assert.throws(() => model.infer(new Uint8Array(5)), /288 x 288 x 3 values/);
  await model.close();
});

test("an sfn looks closer at faces, however many", async () => {
  const model = await EdgeFace.load(sfn.file, { numThreads: 1 });
  const [face] = sfn.vectors.faces;
  assertFaces(await model.refine(sfn.image, [face]), sfn.vectors.faces, 5e-3);
  assert.equal((await model.refine(sfn.image, Array(40).fill(face))).length, 40);
  assert.deepEqual(await model.refine(sfn.image, []), []);
  const outside = { ...face, box_xyxy: [-900, -900, -800, -800] };
  assert.equal((await model.refine(sfn.image, [outside])).length, 1);
  const empty = { ...face, box_xyxy: [5, 5, 5, 5] };
  await assert.rejects(model.refine(sfn.image, [empty]), /box is empty/);
  await assert.rejects(model.run(sfn.image), /run an mfn/);
});

test("anchors that the outputs are not of are an error", async () => {
  const { metadata, faceModel } = await readModelFile(mfn.file);
  const fewer = { ...metadata, anchors: metadata.anchors.slice(1) };
  assert.throws(
    () => decodeImage(outputsOf(mfn.vectors), fewer, faceModel, ITSELF, 0.5), /another shape/);
});

test("a worker that was closed says so", async () => {
  globalThis.location = { href: "http://localhost/" };
  globalThis.Worker = class {
    postMessage({ id }) {
      queueMicrotask(() => this.onmessage({ data: { id } }));
    }

    terminate() {}
  };
  const model = await EdgeFaceWorker.load("mfn.onnx");
  model.close();
  await assert.rejects(model.run(mfn.image), /was closed/);
});

test("a face model that would fill the memory is not unpacked", async () => {
  const text = Buffer.from(sfn.file).toString("latin1");
  const [packed] = text.slice(text.indexOf("UEsDB")).match(/^[A-Za-z0-9+/=]+/); // "PK" and so on
  for (const [size, message] of [[2 ** 30, /too large/], [100, /not as long as the zip/]]) {
    const zip = Buffer.from(packed, "base64");
    zip.writeUInt32LE(size, zip.indexOf("PK\x01\x02") + 24);
    const lying = Buffer.from(text.replace(packed, () => zip.toString("base64")), "latin1");
    await assert.rejects(readModelFile(lying), message);
  }
});

test("a file that is cut off, and an engine that does not exist, are errors", async () => {
  await assert.rejects(readModelFile(mfn.file.subarray(0, mfn.file.length / 2)), /cut off|lacks/);
  await assert.rejects(EdgeFace.load(mfn.file, { engine: "cuda" }), /no engine "cuda"/);
  await assert.rejects(EdgeFace.load(mfn.file, { engine: "webgpu" }), /no WebGPU/);
});
