// The page in headless Chromium against the test vectors, with no network but this machine:
//   node test/check.js [--vectors DIR] [--model FILE] [--photo FILE] [--engine wasm|webgpu]
//                      [--screenshots DIR]
// CHROMIUM names the browser; by default the one on the PATH.
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";
import { serve } from "../serve.js";

const here = import.meta.dirname;
const { values: options } = parseArgs({
  options: {
    vectors: { type: "string", default: join(here, "../../vectors") },
    model: { type: "string", default: join(here, "../../../edgeface/assets/mfn.onnx") },
    photo: { type: "string", default: join(here, "../../../edgeface/assets/demo.jpg") },
    engine: { type: "string", default: "wasm" },
    screenshots: { type: "string" },
  },
});
// Raw outputs, then what a user sees: pixels of the input, degrees, else as stated.
const RAW = 1e-4;
const LIMITS = {
  box_xyxy: 5e-3, landmarks_3d: 5e-3, euler_deg: 5e-3,
  score: 1e-4, rotation: 1e-4, identity_coeffs: 1e-4, expression_coeffs: 1e-4, translation: 1e-4,
  focal: 1e-4,
};
// The photo itself: JPEG decoders differ by a level here and there.
const PHOTO_LEVELS = 0.1;
const PATIENCE_MS = 120_000; // a GPU in software takes that long to compile

const vectors = JSON.parse(await readFile(join(options.vectors, "mfn.json")));
// at the threshold that the file names
const numFaces = vectors.faces.filter(f => f.score >= vectors.metadata.score_threshold).length;
const largest = {}; // differences by quantity
const scratch = await mkdtemp(join(tmpdir(), "edgeface-web-"));
const film = join(scratch, "camera.mjpeg"); // one JPEG is a film of one frame
await copyFile(options.photo, film);
const server = await serve(options.model);
const origin = `http://localhost:${server.address().port}`;
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    `--use-file-for-fake-video-capture=${film}`,
    "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", // a GPU in software
  ],
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const problems = await watch(page);
  await page.goto(origin);
  await page.waitForSelector("#demo:not([disabled])");
  const input = await readFile(join(options.vectors, vectors.input.file), "base64");
  await page.evaluate(prepare, input, options.engine);
  checkOutputs(await page.evaluate(inferInput));
  checkFaces(await page.evaluate(runInput, vectors.score_threshold));
  for (const [name, value] of Object.entries(largest)) {
    console.log(`${name}: largest difference ${value.toExponential(1)}`);
  }
  await checkPhoto(page);
  await checkCloser(page);
  await checkCamera(page);
  if (options.screenshots) await takeScreenshots(page);
  if (problems.length) fail(problems.join("; "));
  console.log("the page agrees with the vectors");
} finally {
  await browser.close();
  server.close();
  await rm(scratch, { recursive: true });
}

/** Collects errors of the page, and forbids every request that leaves this machine. */
async function watch(page) {
  const problems = [];
  page.on("pageerror", error => problems.push(`page error: ${error.message}`));
  await page.setRequestInterception(true);
  page.on("request", request => {
    const local = [origin, "data:", "blob:"].some(start => request.url().startsWith(start));
    if (!local) problems.push(`asked the network for ${request.url()}`);
    return local ? request.continue() : request.abort();
  });
  return problems;
}

// The next four run inside the page.
async function prepare(base64, engine) {
  const { EdgeFace, readImage } = await import("/edgeface.js");
  const { letterbox } = await import("/image.js");
  const ortPath = "/node_modules/onnxruntime-web/dist/";
  const model = await EdgeFace.load("/model.onnx", { engine, ortPath });
  const { input_size: size, input } = model.metadata;
  const fit = image => letterbox(image, size, input.pad_value).pixels;
  const png = await (await fetch(`data:image/png;base64,${base64}`)).blob();
  window.check = { model, fit, readImage, image: await readImage(png) };
}

async function inferInput() {
  const { model, fit, image } = window.check;
  const pixels = fit(image);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", pixels));
  const outputs = await model.infer(pixels);
  return {
    sha256: Array.from(hash, byte => byte.toString(16).padStart(2, "0")).join(""),
    outputs: Object.fromEntries(Object.entries(outputs).map(
      ([name, { dims, data }]) => [name, { dims, data: Array.from(data) }])),
  };
}

function runInput(threshold) {
  return window.check.model.run(window.check.image, { scoreThreshold: threshold });
}

async function photoDifference() {
  const { fit, readImage, image } = window.check;
  const expected = fit(image);
  const actual = fit(await readImage(document.getElementById("file").files[0]));
  return expected.reduce((sum, v, i) => sum + Math.abs(v - actual[i]), 0) / expected.length;
}

function checkOutputs({ sha256, outputs }) {
  if (sha256 !== vectors.input.sha256) fail("the page reads other pixels from the input image");
  const numAnchors = vectors.metadata.anchors.length;
  for (const [name, { shape, min, max, mean }] of Object.entries(vectors.outputs)) {
    const { dims, data } = outputs[name];
    if (`${dims.slice(1)}` !== `${shape}`) fail(`${name} has the shape ${dims}`);
    const found = {
      min: data.reduce((a, b) => Math.min(a, b)),
      max: data.reduce((a, b) => Math.max(a, b)),
      mean: data.reduce((a, b) => a + b) / data.length,
    };
    // rounding grows with the numbers that are rounded, as edgeface/compare.py has it
    const limit = Math.max(RAW, 1e-5 * Math.max(-min, max));
    compare(`${name} over all cells`, Object.values(found), [min, max, mean], limit);
    const width = shape[2] / numAnchors;
    for (const candidate of vectors.candidates) {
      const [row, column, anchor] = candidate.cell;
      const start = ((row * shape[1] + column) * numAnchors + anchor) * width;
      compare(`${name} at ${candidate.cell}`, data.slice(start, start + width), candidate[name], limit);
    }
  }
}

function checkFaces(faces) {
  if (faces.length !== vectors.faces.length) {
    fail(`${faces.length} faces instead of ${vectors.faces.length}`);
  }
  vectors.faces.forEach((expected, i) => {
    for (const [name, limit] of Object.entries(LIMITS)) {
      compare(`${name} of face ${i}`, [faces[i][name]].flat(2), [expected[name]].flat(2), limit);
    }
  });
}

/** Picks the photo as a user does; the network's input and the faces must be the vectors'. */
async function checkPhoto(page) {
  if (options.engine !== "wasm") {
    await page.select("#engine", options.engine);
    await page.waitForSelector("#engine:not([disabled])");
    const chosen = await page.$eval("#engine", element => element.value);
    if (chosen !== options.engine) fail(`the page stays with ${chosen}: ${await statusOf(page)}`);
  }
  await setThreshold(page, vectors.score_threshold);
  await (await page.$("#file")).uploadFile(options.photo);
  await waitForFaces(page, vectors.faces.length);
  const levels = await page.evaluate(photoDifference);
  console.log(`photo: the input differs by ${levels.toFixed(3)} levels on average`);
  if (!(levels <= PHOTO_LEVELS)) fail(`the photo's input differs by ${levels} levels`);
  await forget(page);
  await setThreshold(page, vectors.metadata.score_threshold);
  await waitForFaces(page, numFaces);
  console.log(`photo: ${await statusOf(page)}`);
}

/** Lets the sfn look closer: as many faces, and other numbers. */
async function checkCloser(page) {
  if (!numFaces) return;
  const cards = () => page.$eval("#faces", element => element.textContent);
  const before = await cards();
  await forget(page);
  await page.click("#closer");
  await waitForFaces(page, numFaces);
  if (before === await cards()) fail("a closer look changes nothing");
  await forget(page);
  await page.click("#closer");
  await waitForFaces(page, numFaces);
}

/** Starts the camera, which films the photo at its own size and quality. */
async function checkCamera(page) {
  await forget(page);
  await page.click("#camera");
  await page.waitForSelector("#canvas[data-num-faces]");
  console.log(`camera: ${await statusOf(page)}`);
  const seen = await page.$eval("#canvas", element => Number(element.dataset.numFaces));
  if (numFaces > 0 && seen === 0) fail("the camera sees no face in the photo");
  await page.click("#camera");
  const text = await page.$eval("#camera", element => element.textContent);
  if (text !== "Start the camera") fail(`the camera does not stop: ${await statusOf(page)}`);
}

/** The page as a person sees it: wide and narrow, light and dark. */
async function takeScreenshots(page) {
  await mkdir(options.screenshots, { recursive: true });
  await forget(page);
  await page.click("#demo");
  await waitForFaces(page, numFaces);
  for (const [size, width, height] of [["wide", 1280, 900], ["phone", 390, 844]]) {
    for (const scheme of ["light", "dark"]) {
      await page.setViewport({ width, height });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const path = join(options.screenshots, `${size}-${scheme}.png`);
      await page.screenshot({ path, fullPage: true });
    }
  }
}

function statusOf(page) {
  return page.$eval("#status", element => element.textContent);
}

/** Takes the number of faces from the canvas, so that the next one is of a new look. */
function forget(page) {
  return page.evaluate(() => delete document.getElementById("canvas").dataset.numFaces);
}

function setThreshold(page, value) {
  return page.$eval("#threshold", (element, score) => {
    element.value = score;
    element.dispatchEvent(new Event("input"));
  }, value);
}

async function waitForFaces(page, count) {
  try {
    await page.waitForSelector(`#canvas[data-num-faces="${count}"]`);
  } catch {
    fail(`expected ${count} faces in the photo, the page says: ${await statusOf(page)}`);
  }
}

function compare(what, actual, expected, limit) {
  if (actual.length !== expected.length) fail(`${what} has ${actual.length} values`);
  const worst = Math.max(...expected.map((v, i) => Math.abs(v - actual[i])));
  const quantity = what.split(" ")[0];
  largest[quantity] = Math.max(largest[quantity] ?? 0, worst);
  if (!(worst <= limit)) fail(`${what} differs by ${worst} (allowed ${limit})`);
}

function fail(message) {
  throw new Error(message);
}
