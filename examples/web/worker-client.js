// A model in a worker of its own.

export class EdgeFaceWorker {
  static async load(source, { refine, ...options } = {}) {
    const model = new EdgeFaceWorker();
    model.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    model.waiting = new Map();
    model.worker.onmessage = ({ data: { id, error, ...result } }) => {
      const { resolve, reject } = model.waiting.get(id);
      model.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(result);
    };
    model.worker.onerror = event => {
      for (const { reject } of model.waiting.values()) {
        reject(new Error(`the worker failed: ${event.message ?? "it could not be loaded"}`));
      }
      model.waiting.clear();
    };
    const here = globalThis.location.href; // a worker's addresses start from its own file
    const absolute = address => (typeof address === "string" ? new URL(address, here).href
      : address instanceof URL ? address.href : address);
    const load = { source: absolute(source), refine: absolute(refine),
      options: { ...options, ortPath: absolute(options.ortPath) } };
    try {
      Object.assign(model, await model.ask({ load }));
    } catch (error) {
      model.close();
      throw error;
    }
    return model;
  }

  ask(request, transfer = []) {
    if (this.closed) return Promise.reject(new Error("the worker was closed"));
    const id = (this.number = (this.number ?? 0) + 1);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...request }, transfer);
    });
  }

  async run(image, { scoreThreshold, refine = true } = {}) {
    const { width, height, data } = image;
    const request = { image: { width, height, data }, scoreThreshold, refine };
    return (await this.ask(request)).faces;
  }

  close() {
    this.closed = true;
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(new Error("the worker was closed"));
    this.waiting.clear();
  }
}
