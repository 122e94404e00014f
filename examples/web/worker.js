// The same in a worker, so that the page never waits:
//
//   const worker = new Worker(new URL("edgeface-web/worker", import.meta.url), { type: "module" });
//   worker.postMessage({ load: "mfn.onnx", options: { wasmPaths: "/ort/" } });
//   worker.postMessage({ id: 1, image, scoreThreshold: 0.5 }, [image.data.buffer]);
//   worker.onmessage = ({ data }) => ...      // {metadata}, {id, faces} or {id, error}
import { EdgeFace } from "./edgeface.js";

let model;

self.onmessage = async ({ data }) => {
  try {
    if (data.load) {
      model = EdgeFace.load(data.load, data.options);
      self.postMessage({ metadata: (await model).metadata });
    } else {
      const opened = await model;
      if (!opened) throw new Error("send {load: URL} before the first image");
      const faces = await opened.run(data.image, data.scoreThreshold);
      self.postMessage({ id: data.id, faces });
    }
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error) });
  }
};
