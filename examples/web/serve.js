// Serves the page, and the model files that ship:  node serve.js [MFN.onnx] [PORT]
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const assets = join(folder, "../../edgeface/assets");
const types = {
  ".css": "text/css",
  ".html": "text/html",
  ".jpg": "image/jpeg",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Starts the server; port 0 takes a free one. */
export function serve(model = join(assets, "mfn.onnx"), port = 0) {
  // with a network that anyone may use goes another such, as in Python
  const free = basename(model).includes("-free") ? "-free" : "";
  const named = {
    "/page/": join(folder, "page/index.html"),
    "/model.onnx": resolve(model),
    "/refiner.onnx": join(assets, `sfn${free}.onnx`),
    "/demo.jpg": join(assets, "demo.jpg"),
  };
  const server = createServer(async (request, response) => {
    try {
      const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
      if (path === "/") return response.writeHead(302, { location: "/page/" }).end();
      const file = named[path] ?? join(folder, normalize(path)); // escapes may hold ".."
      const body = await readFile(file);
      response.writeHead(200, {
        "content-type": types[extname(file)] ?? "application/octet-stream",
        // WebAssembly threads need an isolated page
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    } catch { // no such file, or an address that is none
      response.writeHead(404, { "content-type": "text/plain" }).end(`no ${request.url}`);
    }
  });
  return new Promise(ready => server.listen(port, "127.0.0.1", () => ready(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [model, port] = process.argv.slice(2);
  const server = await serve(model, Number(port ?? 8000));
  console.log(`http://localhost:${server.address().port}/`);
}
