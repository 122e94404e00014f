// Serves this folder, and a model file as /model.onnx:  node serve.js [MODEL.onnx] [PORT]
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const bundled = join(folder, "../../edgeface/assets/mfn.onnx");
const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Starts the server; port 0 takes a free one. */
export function serve(model = bundled, port = 0) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    const name = path === "/" ? "index.html" : path;
    try {
      const body = await readFile(path === "/model.onnx" ? resolve(model) : join(folder, name));
      response.writeHead(200, {
        "content-type": types[extname(name)] ?? "application/octet-stream",
        // WebAssembly threads need an isolated page
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
      });
      response.end(body);
    } catch {
      response.writeHead(404).end(`no ${path}`);
    }
  });
  return new Promise(ready => server.listen(port, "127.0.0.1", () => ready(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [model, port] = process.argv.slice(2);
  const server = await serve(model, Number(port ?? 8000));
  console.log(`http://localhost:${server.address().port}/`);
}
