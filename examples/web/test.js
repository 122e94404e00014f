// The arithmetic against the test vectors, in Node and without an engine:  node --test test.js
// `check.js` runs the whole page in a browser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { decode } from "./decode.js";
import { readModelFile } from "./model-file.js";

const at = path => new URL(path, import.meta.url);
const vectors = JSON.parse(await readFile(at("../vectors/mfn.json"), "utf8"));
const file = new Uint8Array(await readFile(at("../../edgeface/assets/mfn.onnx")));
const NOBODY = -30; // logit

/** Raw outputs in which only the candidates of the vectors are faces. */
function outputsOf({ outputs, candidates, metadata }) {
  const numAnchors = metadata.anchors.length;
  const made = {};
  for (const [name, { shape }] of Object.entries(outputs)) {
    const [rows, columns, depth] = shape.slice(-3);
    const width = depth / numAnchors;
    const data = new Float32Array(rows * columns * depth);
    if (name === "detection") for (let i = 4; i < data.length; i += width) data[i] = NOBODY;
    for (const { cell: [row, column, anchor], ...values } of candidates) {
      data.set(values[name], ((row * columns + column) * numAnchors + anchor) * width);
    }
    made[name] = { dims: [1, rows, columns, depth], data };
  }
  return made;
}

test("faces of the vectors come out of their raw outputs", async () => {
  const { metadata, faceModel } = await readModelFile(file);
  const itself = { scale: [1, 1], offset: [0, 0] };
  const faces = decode(
    outputsOf(vectors), metadata, faceModel, itself, vectors.score_threshold);
  assert.equal(faces.length, vectors.faces.length);
  faces.forEach((face, i) => {
    for (const [name, expected] of Object.entries(vectors.faces[i])) {
      const [got, wanted] = [face[name], expected].map(value => [value].flat(3));
      got.forEach((value, k) =>
        assert.ok(Math.abs(value - wanted[k]) < 2e-3, `${name} of face ${i}: ${value}, ${wanted[k]}`));
    }
  });
});

test("a file that is cut off is an error", async () => {
  await assert.rejects(readModelFile(file.subarray(0, file.length / 2)), /cut off|lacks/);
});
