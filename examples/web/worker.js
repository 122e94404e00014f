// The same in a worker, so that the page never waits; `EdgeFaceWorker` speaks to it.
import { EdgeFace } from "./edgeface.js";

const models = {}; // "model", and "refiner" where there is one

async function answer({ load, image, scoreThreshold, refine }) {
  if (load) {
    models.model = await EdgeFace.load(load.source, load.options);
    if (load.refine) models.refiner = await EdgeFace.load(load.refine, load.options);
    const { metadata, engine } = models.model;
    return { metadata, engine, refinerMetadata: models.refiner?.metadata };
  }
  const faces = await models.model.run(image, { scoreThreshold });
  return { faces: models.refiner && refine ? await models.refiner.refine(image, faces) : faces };
}

// one after another, in the order in which they come
let last = Promise.resolve();
self.onmessage = ({ data: { id, ...request } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id, ...(await answer(request)) });
    } catch (error) {
      self.postMessage({ id, error: error.message ?? String(error) });
    }
  });
};
