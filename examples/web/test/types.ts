// What a user of the package writes, for the type checker alone.
import {
  EdgeFace, EdgeFaceWorker, camera, drawFaces, facesOf, readImage, stopCamera, type Face,
} from "edgeface-web";

export async function photo(file: File, context: CanvasRenderingContext2D): Promise<Face[]> {
  const mfn = await EdgeFace.load("mfn.onnx", { engine: "webgpu", ortPath: "/ort/" });
  const sfn = await EdgeFace.load(new Uint8Array());
  const image = await readImage(file);
  const faces = await sfn.refine(image, await mfn.run(image, { scoreThreshold: 0.5 }));
  drawFaces(context, faces, { lines: "#fff" });
  const jaw: number = faces[0].blendshapes.jawOpen;
  const [x, y] = faces[0].landmarks_2d[30];
  console.log(jaw, x, y, mfn.metadata.licence);
  return faces;
}

export async function live(): Promise<void> {
  const model = await EdgeFaceWorker.load("mfn.onnx", { refine: "sfn.onnx" });
  const video = await camera({ facingMode: "user" });
  for await (const { faces, timeSeconds } of facesOf(model, video)) {
    console.log(timeSeconds, faces.length);
    if (timeSeconds > 10) stopCamera(video);
  }
  model.close();
}

// @ts-expect-error: an engine that does not exist
EdgeFace.load("mfn.onnx", { engine: "cuda" });
// @ts-expect-error: a face has no such field
export const wrong = (face: Face) => face.landmarks;
