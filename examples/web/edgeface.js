// A model file in the browser: image in, faces out.
import * as ort from "onnxruntime-web/wasm";
import { decode } from "./decode.js";
import { letterbox } from "./image.js";
import { readModelFile } from "./model-file.js";

ort.env.wasm.wasmPaths = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;

export class EdgeFace {
  /**
   * Fetches a model file and opens it.
   * @param {string | URL} url
   * @param {{wasmPaths?: string}} [options] where the page serves onnxruntime-web's dist folder
   */
  static async load(url, { wasmPaths } = {}) {
    if (wasmPaths) ort.env.wasm.wasmPaths = wasmPaths;
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const model = new EdgeFace();
    Object.assign(model, await readModelFile(bytes));
    model.session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    return model;
  }

  /**
   * Finds the faces of an image.
   * @param {ImageData} image
   * @param {number} [scoreThreshold] by default the one that the file names
   * @returns {Promise<object[]>} faces in pixels of the image, best first
   */
  async run(image, scoreThreshold = this.metadata.score_threshold) {
    const { input_size: size, input } = this.metadata;
    const placement = letterbox(image, size, input.pad_value);
    const outputs = await this.infer(placement.pixels);
    return decode(outputs, this.metadata, this.faceModel, placement, scoreThreshold);
  }

  /** Raw outputs by name for one input, uint8 RGB, rows first. */
  infer(pixels) {
    const size = this.metadata.input_size;
    const tensor = new ort.Tensor("uint8", pixels, [1, size, size, 3]);
    return this.session.run({ [this.session.inputNames[0]]: tensor });
  }
}

/** Pixels of anything that a canvas can draw; the file's own colours, upright. */
export function pixelsOf(source, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Pixels of an image file. */
export async function readImage(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  return pixelsOf(bitmap, bitmap.width, bitmap.height);
}
