/**
 * A face, with the fields of Python's `Face.to_dict()`. Positions are pixels of the image, x right, y
 * down, the origin at its top-left corner.
 */
export interface Face {
  box_xyxy: [number, number, number, number];
  score: number;
  /** 68 points (x, y). */
  landmarks_2d: [number, number][];
  /** 68 points (x, y, z); z has the unit of x and y and grows away from the camera. */
  landmarks_3d: [number, number, number][];
  /** Pitch, yaw and roll, in degrees. */
  euler_deg: [number, number, number];
  /** Rows of the head's rotation. */
  rotation: [number, number, number][];
  /** From 0 to 1, by ARKit's names; what the network cannot see is absent. */
  blendshapes: Record<string, number>;
  identity_coeffs: number[];
  /** From 0 to 1, in the order of `metadata.expression_names`. */
  expression_coeffs: number[];
  translation: [number, number, number];
  focal: number;
  /** Pitch and yaw of the right eye and of the left, relative to the head; of networks that see it. */
  gaze_deg?: [[number, number], [number, number]];
  /** Where the irises lie, right and left, with `gaze_deg`. */
  iris_centres?: [[number, number], [number, number]];
  /** Raw values of outputs that this version does not know, such as a newer file's. */
  other_outputs: Record<string, number[]>;
}

/** What a model file says of itself; docs/reference/model-format.md lists every entry. */
export interface Metadata {
  name: string;
  kind: "mfn" | "sfn";
  licence: string;
  input_size: number;
  expression_names: string[];
  unseen_expressions: string[];
  /** Of an mfn. */
  score_threshold?: number;
  [entry: string]: unknown;
}

export type Engine = "wasm" | "webgpu";

export interface LoadOptions {
  /** "wasm" (the default) runs everywhere; "webgpu" is an error where the browser has none. */
  engine?: Engine;
  /** Where the page serves onnxruntime-web's dist folder; a bundler, and Node, need none. */
  ortPath?: string;
  /** Threads of "wasm"; more than one takes a page with cross-origin isolation. */
  numThreads?: number;
}

/** RGBA, as a canvas hands it out. */
export type Pixels = Pick<ImageData, "width" | "height" | "data">;

/** Whatever finds the faces of an image. */
export interface Finder {
  run(image: Pixels, options?: { scoreThreshold?: number }): Promise<Face[]>;
}

export class EdgeFace implements Finder {
  readonly metadata: Metadata;
  readonly engine: Engine;
  /** Opens a model file: its address, or its bytes. */
  static load(source: string | URL | Uint8Array | ArrayBuffer, options?: LoadOptions):
    Promise<EdgeFace>;
  /** Finds the faces of an image by an mfn, best first. The threshold is by default the file's. */
  run(image: Pixels, options?: { scoreThreshold?: number }): Promise<Face[]>;
  /** Looks closer at faces by an sfn; boxes and scores stay. */
  refine(image: Pixels, faces: Face[]): Promise<Face[]>;
  /** Raw outputs by name for a batch of inputs, uint8 RGB, rows first. */
  infer(pixels: Uint8Array): Promise<Record<string, { dims: number[]; data: Float32Array }>>;
  /** Gives the network's memory back. */
  close(): Promise<void>;
}

/** The same in a worker, so that the page never waits. */
export class EdgeFaceWorker implements Finder {
  readonly metadata: Metadata;
  /** Of the network that looks closer, if there is one. */
  readonly refinerMetadata?: Metadata;
  readonly engine: Engine;
  /** Opens an mfn's file, and with `refine` an sfn's, which then looks closer at every face. */
  static load(source: string | URL, options?: LoadOptions & { refine?: string | URL }):
    Promise<EdgeFaceWorker>;
  /** `refine: false` leaves the closer look out. */
  run(image: Pixels, options?: { scoreThreshold?: number; refine?: boolean }): Promise<Face[]>;
  close(): void;
}

/** Pixels of anything that a canvas can draw: a video, a bitmap, another canvas. */
export function pixelsOf(source: CanvasImageSource, width: number, height: number): ImageData;

/** Pixels of an image file, upright. */
export function readImage(blob: Blob): Promise<ImageData>;

/** Starts a camera; the video plays once the promise is kept. */
export function camera(constraints?: MediaTrackConstraints): Promise<HTMLVideoElement>;

/** Stops a camera, which ends the loops over its faces. */
export function stopCamera(video: HTMLVideoElement): void;

/**
 * The faces of a playing video or camera, frame by frame; frames that come meanwhile are passed over.
 * It ends where the video does, and a `break` ends it too.
 */
export function facesOf(model: Finder, video: HTMLVideoElement,
  options?: { scoreThreshold?: number }): AsyncGenerator<{
    faces: Face[];
    /** The frame that the faces are of. */
    image: ImageData;
    /** Its time in the video. */
    timeSeconds: number;
    /** How long the faces took. */
    milliseconds: number;
  }>;

/** Draws boxes and landmarks over a canvas that has the image's size. */
export function drawFaces(context: CanvasRenderingContext2D, faces: Face[],
  colours?: { box?: string; lines?: string }): void;
