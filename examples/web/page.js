// The page around edgeface.js: a picked photo or the camera, faces drawn over it.
import { EdgeFace, pixelsOf, readImage } from "./edgeface.js";

const NUM_SHOWN = 4;
const byId = id => document.getElementById(id);
const [status, list, canvas, video] = ["status", "faces", "canvas", "video"].map(byId);
const [photo, camera, threshold] = ["photo", "camera", "threshold"].map(byId);

let model;
let shown; // pixels of the last picked photo
let stream;

try {
  model = await EdgeFace.load(new URLSearchParams(location.search).get("model") ?? "model.onnx");
  threshold.value = model.metadata.score_threshold;
  byId("licence").textContent = `${model.metadata.name}; weights: ${model.metadata.licence}`;
  report("pick a photo, or start the camera");
  photo.disabled = camera.disabled = threshold.disabled = false;
} catch (error) {
  report(String(error));
  throw error;
}

photo.addEventListener("change", async () => {
  if (!photo.files.length) return;
  stopCamera();
  try {
    shown = await readImage(photo.files[0]);
  } catch {
    return report(`${photo.files[0].name} is no image that this browser reads`);
  }
  await show(shown);
});

threshold.addEventListener("input", () => shown && !stream && show(shown));

camera.addEventListener("click", async () => {
  if (stream) return stopCamera();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (error) {
    return report(`no camera: ${error.message}`);
  }
  camera.textContent = "Stop the camera";
  video.srcObject = stream;
  await video.play();
  const running = stream;
  while (stream === running) {
    await show(pixelsOf(video, video.videoWidth, video.videoHeight));
    await new Promise(requestAnimationFrame);
  }
});

function stopCamera() {
  stream?.getTracks().forEach(track => track.stop());
  stream = undefined;
  camera.textContent = "Start the camera";
}

async function show(image) {
  const start = performance.now();
  const faces = await model.run(image, Number(threshold.value));
  const milliseconds = (performance.now() - start).toFixed(0);
  draw(image, faces);
  list.replaceChildren(...faces.map(describe));
  const plural = faces.length === 1 ? "face" : "faces";
  report(`${faces.length} ${plural} in ${milliseconds} ms, score at least ${threshold.value}`);
  canvas.dataset.numFaces = faces.length;
}

function draw(image, faces) {
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  context.putImageData(image, 0, 0);
  const unit = Math.max(image.width, image.height) / 640;
  context.lineWidth = 2 * unit;
  context.font = `${14 * unit}px sans-serif`;
  faces.forEach((face, index) => {
    const [x0, y0, x1, y1] = face.box_xyxy;
    context.strokeStyle = context.fillStyle = "#ffd23f";
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    context.fillText(`${index + 1}`, x0 + 3 * unit, y0 + 14 * unit);
    context.fillStyle = "#3bf48b";
    for (const [x, y] of face.landmarks_3d) {
      context.fillRect(x - unit, y - unit, 2 * unit, 2 * unit);
    }
  });
}

function describe(face) {
  const unseen = new Set(model.metadata.unseen_expressions);
  const strongest = model.metadata.expression_names
    .map((name, k) => ({ name, value: face.expression_coeffs[k] }))
    .filter(({ name }) => !unseen.has(name))
    .sort((a, b) => b.value - a.value)
    .slice(0, NUM_SHOWN);
  const item = document.createElement("li");
  const [pitch, yaw, roll] = face.euler_deg.map(v => v.toFixed(0));
  item.textContent =
    `score ${face.score.toFixed(2)}, pitch ${pitch}°, yaw ${yaw}°, roll ${roll}°: ` +
    strongest.map(({ name, value }) => `${name} ${value.toFixed(2)}`).join(", ");
  return item;
}

function report(text) {
  status.textContent = text;
}
