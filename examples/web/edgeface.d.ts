/** A face; coordinates are pixels of the image, x right, y down, the origin at its top-left corner. */
export interface Face {
  box_xyxy: [number, number, number, number];
  score: number;
  /** 68 points (x, y, z); z has the unit of x and y and grows away from the camera. */
  landmarks_3d: [number, number, number][];
  /** Pitch, yaw and roll, in degrees. */
  euler_deg: [number, number, number];
  /** Rows of the head's rotation. */
  rotation: [number, number, number][];
  identity_coeffs: number[];
  /** From 0 to 1, in the order of `metadata.expression_names`. */
  expression_coeffs: number[];
}

/** What a model file says of itself; docs/reference/model-format.md lists every entry. */
export interface Metadata {
  name: string;
  kind: "mfn";
  input_size: number;
  score_threshold: number;
  iou_threshold: number;
  expression_names: string[];
  licence: string;
  [entry: string]: unknown;
}

export class EdgeFace {
  readonly metadata: Metadata;
  /**
   * Fetches an mfn's .onnx file and opens it.
   * @param options.wasmPaths where the page serves onnxruntime-web's dist folder
   */
  static load(url: string | URL, options?: { wasmPaths?: string }): Promise<EdgeFace>;
  /** Finds the faces of an image, best first. The threshold is by default the file's own. */
  run(image: ImageData, scoreThreshold?: number): Promise<Face[]>;
  /** Raw outputs by name for one input, uint8 RGB, rows first. */
  infer(pixels: Uint8Array): Promise<Record<string, { dims: number[]; data: Float32Array }>>;
}

/** Pixels of anything that a canvas can draw: a video, a bitmap, another canvas. */
export function pixelsOf(source: CanvasImageSource, width: number, height: number): ImageData;

/** Pixels of an image file, upright. */
export function readImage(blob: Blob): Promise<ImageData>;
