// The page around the package: a photo, a video or the camera, and the faces drawn over it.
import { EdgeFaceWorker, camera, drawFaces, facesOf, readImage, stopCamera } from "../edgeface.js";

const NUM_SHAPES = 4; // expressions that are shown of a face
const NUM_CARDS = 12;
const byId = id => document.getElementById(id);
const [canvas, list, status, threshold, closer, engine] =
  ["canvas", "faces", "status", "threshold", "closer", "engine"].map(byId);
const inputs = document.querySelectorAll("button, input, select");

let model;
let photo; // pixels of the photo that is shown
let video; // or the video or camera that plays
let faces = [];

await open();

/** Opens the network with the engine that is chosen. */
async function open() {
  inputs.forEach(input => (input.disabled = true));
  const threads = self.crossOriginIsolated ? "" : "; one thread, this page is not isolated";
  report("loading the network …");
  try {
    const opened = await EdgeFaceWorker.load("/model.onnx", {
      refine: (await fetch("/refiner.onnx", { method: "HEAD" })).ok ? "/refiner.onnx" : undefined,
      engine: engine.value,
      ortPath: "/node_modules/onnxruntime-web/dist/",
    });
    model?.close();
    model = opened;
  } catch (error) {
    report(error.message, true);
    if (!model) return;
    engine.value = model.engine;
  }
  if (!byId("score").value) setThreshold(model.metadata.score_threshold);
  const used = [model.metadata, model.refinerMetadata].filter(Boolean);
  const terms = used.map(({ name, licence }) => `${name}; weights: ${licence}`);
  byId("licence").textContent = terms.join(" · ") + threads;
  inputs.forEach(input => (input.disabled = false));
  byId("save").disabled = !faces.length;
  if (!status.classList.contains("wrong")) report("ready: pick a photo, a video or the camera");
}

function setThreshold(value) {
  threshold.value = value;
  byId("score").value = Number(value).toFixed(2);
}

const options = () => ({ scoreThreshold: Number(threshold.value), refine: closer.checked });

async function showPhoto(blob, name) {
  stop();
  let image;
  try {
    image = await readImage(blob);
  } catch {
    return report(`${name} is no image that this browser reads`, true);
  }
  stop(); // what was started meanwhile
  photo = image;
  await lookAgain();
}

async function lookAgain() {
  const image = photo;
  if (!image) return;
  report("looking …");
  const start = performance.now();
  try {
    const found = await model.run(image, options());
    if (image === photo) show(image, found, performance.now() - start); // else another is shown
  } catch (error) {
    report(error.message, true);
  }
}

/** Follows a video or the camera until something else is shown. */
async function follow(playing) {
  stop();
  video = playing;
  try {
    const live = { get scoreThreshold() { return Number(threshold.value); },
      get refine() { return closer.checked; } };
    for await (const { faces: found, image, milliseconds } of facesOf(model, playing, live)) {
      if (video !== playing) break;
      show(image, found, milliseconds);
    }
  } catch (error) {
    if (video === playing) report(error.message, true);
  }
  if (video === playing) stop();
}

function stop() {
  photo = undefined;
  if (video?.srcObject) stopCamera(video);
  else video?.pause();
  video = undefined;
  byId("camera").textContent = "Start the camera";
}

async function showVideo(blob, name) {
  const element = Object.assign(document.createElement("video"), {
    src: URL.createObjectURL(blob), muted: true, loop: true, playsInline: true });
  try {
    await element.play();
  } catch {
    return report(`${name} is no video that this browser plays`, true);
  }
  await follow(element);
  URL.revokeObjectURL(element.src);
}

function showFile(file) {
  if (!file) return;
  return file.type.startsWith("video/") ? showVideo(file, file.name) : showPhoto(file, file.name);
}

function show(image, found, milliseconds) {
  faces = found;
  byId("hint")?.remove();
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  context.putImageData(image, 0, 0);
  list.replaceChildren(...faces.slice(0, NUM_CARDS).map(card));
  drawFaces(context, faces);
  canvas.dataset.numFaces = faces.length;
  byId("save").disabled = !faces.length;
  const plural = faces.length === 1 ? "face" : "faces";
  report(`${faces.length} ${plural} in ${milliseconds.toFixed(0)} ms by ${model.engine}`);
}

/** What is known of a face, beside its picture as the canvas shows it before anything is drawn. */
function card(face, index) {
  const [x0, y0, x1, y1] = face.box_xyxy;
  const side = 1.3 * Math.max(x1 - x0, y1 - y0);
  const thumbnail = Object.assign(document.createElement("canvas"), { width: 128, height: 128 });
  thumbnail.getContext("2d").drawImage(canvas, (x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side, side,
    0, 0, 128, 128);
  const [pitch, yaw, roll] = face.euler_deg.map(value => `${Math.round(value) || 0}°`);
  const title = document.createElement("h2");
  title.textContent = `${index + 1} `;
  const about = document.createElement("span");
  about.textContent = `${face.score.toFixed(2)}  pitch ${pitch} yaw ${yaw} roll ${roll}`;
  title.append(about);
  const bars = document.createElement("dl");
  const strongest = Object.entries(face.blendshapes).sort((a, b) => b[1] - a[1]);
  for (const [name, value] of strongest.slice(0, NUM_SHAPES)) {
    const [term, bar, fill] = ["dt", "dd", "i"].map(tag => document.createElement(tag));
    term.textContent = name;
    fill.style.width = `${100 * value}%`;
    bar.title = value.toFixed(2);
    bar.append(fill);
    bars.append(term, bar);
  }
  const text = document.createElement("div");
  text.append(title, bars);
  const item = document.createElement("li");
  item.append(thumbnail, text);
  return item;
}

function report(text, wrong = false) {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

byId("demo").addEventListener("click", async () =>
  showPhoto(await (await fetch("/demo.jpg")).blob(), "the demo photo"));
byId("file").addEventListener("change", event => showFile(event.target.files[0]));
byId("camera").addEventListener("click", async () => {
  if (video?.srcObject) return stop();
  byId("camera").disabled = true;
  try {
    follow(await camera());
    byId("camera").textContent = "Stop the camera";
  } catch (error) {
    report(`no camera: ${error.message}`, true);
  }
  byId("camera").disabled = false;
});
threshold.addEventListener("input", () => {
  setThreshold(threshold.value);
  lookAgain();
});
closer.addEventListener("change", lookAgain);
engine.addEventListener("change", async () => {
  const shown = photo;
  stop(); // a video would go on asking the network that is closed
  photo = shown;
  await open();
  await lookAgain();
});
byId("save").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([JSON.stringify(faces, null, 1)]));
  Object.assign(document.createElement("a"), { href: url, download: "faces.json" }).click();
  URL.revokeObjectURL(url);
});
const drop = byId("drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, event => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop" && model) showFile(event.dataTransfer.files[0]);
  });
}
