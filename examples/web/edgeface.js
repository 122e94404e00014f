// Model files in the browser, or in Node: an image in, faces out.
import { decodeCrop, decodeImage } from "./decode.js";
import { crop, letterbox } from "./image.js";
import { readModelFile } from "./model-file.js";

export { camera, facesOf, stopCamera } from "./video.js";
export { drawFaces } from "./draw.js";
export { EdgeFaceWorker } from "./worker-client.js";
export { pixelsOf, readImage } from "./pixels.js";

const CROPS_AT_ONCE = 32; // so that the network's memory has a bound

/** onnxruntime-web for an engine; from `ortPath`, or as the bundler or Node finds it. */
async function loadRuntime(engine, ortPath) {
  if (!ortPath) {
    return engine === "webgpu" ? import("onnxruntime-web/webgpu") : import("onnxruntime-web/wasm");
  }
  const base = new URL(ortPath.endsWith("/") ? ortPath : `${ortPath}/`, globalThis.location?.href);
  const ort = await import(new URL(`ort.${engine}.bundle.min.mjs`, base).href);
  ort.env.wasm.wasmPaths = base.href;
  return ort;
}

async function hasGpu() {
  return Boolean(await globalThis.navigator?.gpu?.requestAdapter());
}

async function bytesOf(source) {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  const response = await fetch(source);
  if (!response.ok) throw new Error(`${source}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

export class EdgeFace {
  static async load(source, { engine = "wasm", ortPath, numThreads } = {}) {
    if (!["wasm", "webgpu"].includes(engine)) throw new Error(`there is no engine "${engine}"`);
    if (engine === "webgpu" && !(await hasGpu())) {
      throw new Error("this browser offers no WebGPU here; load with {engine: \"wasm\"}");
    }
    const bytes = await bytesOf(source);
    const model = new EdgeFace();
    Object.assign(model, await readModelFile(bytes), { engine });
    model.ort = await loadRuntime(engine, ortPath);
    if (numThreads) model.ort.env.wasm.numThreads = numThreads;
    model.session = await model.ort.InferenceSession.create(
      bytes, { executionProviders: [engine], logSeverityLevel: 3 });
    return model;
  }

  async run(image, { scoreThreshold = this.metadata.score_threshold } = {}) {
    if (this.metadata.kind !== "mfn") {
      throw new Error(`an ${this.metadata.kind} finds no faces: run an mfn, then refine by this`);
    }
    const placement = letterbox(image, this.metadata.input_size, this.metadata.input.pad_value);
    const outputs = await this.infer(placement.pixels);
    return decodeImage(outputs, this.metadata, this.faceModel, placement, scoreThreshold);
  }

  async refine(image, faces) {
    const { kind, input_size: size, crop_scale: scale, input } = this.metadata;
    if (kind !== "sfn") throw new Error(`an ${kind} finds its own faces: refine by an sfn`);
    const closer = [];
    for (let start = 0; start < faces.length; start += CROPS_AT_ONCE) {
      const batch = faces.slice(start, start + CROPS_AT_ONCE);
      const crops = batch.map(face => crop(image, face.box_xyxy, scale, size, input.pad_value));
      const pixels = new Uint8Array(batch.length * size * size * 3);
      crops.forEach((each, i) => pixels.set(each.pixels, i * size * size * 3));
      const outputs = await this.infer(pixels);
      batch.forEach(({ box_xyxy, score, track_id }, i) => {
        const face = decodeCrop(outputs, i, this.metadata, this.faceModel, crops[i]);
        closer.push({ ...face, box_xyxy, score, ...(track_id !== undefined && { track_id }) });
      });
    }
    return closer;
  }

  infer(pixels) {
    const size = this.metadata.input_size;
    const batch = pixels.length / (size * size * 3);
    if (!Number.isInteger(batch) || batch < 1) {
      throw new Error(`infer takes ${size} x ${size} x 3 values an input, got ${pixels.length}`);
    }
    const tensor = new this.ort.Tensor("uint8", pixels, [batch, size, size, 3]);
    return this.session.run({ [this.session.inputNames[0]]: tensor });
  }

  async close() {
    await this.session.release();
  }
}
