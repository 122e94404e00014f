// The live page: everybody in the picture moves a character of their own.
import { parse, Puppet, Stage } from "./puppet.js";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const NUM_BARS = 8, GONE_MS = 1500, REMARK_MS = 6000;

function say(text) {
  $("message").style.display = text ? "grid" : "none";
  $("message").textContent = text || "";
}
async function ask(action, body) {
  const answer = await fetch(action, { method: "POST", body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.message);
  return told;
}

// ---- the stage ----
let stage = null;
try {
  stage = new Stage($("stage"));
} catch {
  say("this browser has no WebGL; the picture and the bars still work");
}
const people = new Map();   // puppets by the number of the person; a promise while one is loaded
let character = null, plan = null, spare = null;   // the spare one was loaded to be inspected, and is the first to enter

let saidAt = 0;
function remark(text, stays) {   // what is no error goes after a while: it lies over the character
  const number = ++saidAt;
  $("says").textContent = text; $("says").style.opacity = 1;
  if (!stays) setTimeout(() => { if (number === saidAt) $("says").style.opacity = 0; }, REMARK_MS);
}

function readable(name) {   // what the server takes as a text
  return String(name ?? "").slice(0, 200).replace(/[\p{C}\s]/gu, " ");
}
async function take(buffer, name) {
  // Drive a character from now on: the server says by which mapping.
  try {
    const gltf = await parse(buffer), shapes = new Set();
    // by their numbers, since two may share a name; turning one whose mesh has a skin moves nothing
    const nodes = (gltf.parser.json.nodes || []).map((n) => (n.skin === undefined ? readable(n.name) : ""));
    gltf.scene.traverse((o) => {
      for (const shape of Object.keys(o.morphTargetDictionary || {})) shapes.add(shape);
    });
    const vrm = gltf.userData.vrm;
    const clips = vrm && vrm.expressionManager ? vrm.expressionManager.expressionMap : {};
    for (const [name, clip] of Object.entries(clips)) if (clip.binds.length) shapes.add(name);   // others move nothing
    const kind = vrm ? `VRM ${vrm.meta.metaVersion === "0" ? "0.x" : "1.0"}` : "glTF";
    const own = (gltf.asset || {}).generator === "edgeface";
    plan = await ask("character", { page: data.page, name, kind, own, shapes: [...shapes], nodes });
    for (const id of [...people.keys()]) leave(id);
    character = buffer; spare = gltf;
    stage.prepare(gltf.scene);   // while the first face is looked for
    $("character").textContent = `${name}: mapping ${plan.mapping}, ${plan.drives.length} shapes`;
    remark(plan.still.length ? `cannot drive: ${plan.still.slice(0, 12).join(", ")}${plan.still.length > 12 ? " ..." : ""}` : "");
    $("character").title = plan.still.length ? `cannot drive: ${plan.still.join(", ")}` : "";
    $("reset").hidden = name === data.head;
    document.body.dataset.mapping = plan.mapping;
    document.body.dataset.character = name;
  } catch (error) {
    remark(error.message.startsWith(name) ? error.message : `${name}: ${error.message}`, true);
    document.body.dataset.refused = name;
  }
}
async function enter(id) {
  people.set(id, null);
  const from = character, ready = spare;
  spare = null;
  const puppet = new Puppet(ready || await parse(from), plan.bones);
  if (from !== character || !people.has(id)) return;
  people.set(id, puppet);
  arrange();
}
function leave(id) {
  const puppet = people.get(id);
  people.delete(id);
  arrange();
  if (puppet) puppet.dispose();
}
function arrange() {
  const here = [...people.entries()].filter(([, p]) => p).sort((a, b) => a[0] - b[0]);
  stage.cast(here.map(([, p]) => p));
  document.body.dataset.people = here.length;
}
let before = performance.now(), moved = 0;   // when a second pose was drawn
function draw(now) {
  requestAnimationFrame(draw);
  for (const [id, p] of people) {
    if (!p) continue;
    if (p.vrm) stage.stale = true, p.vrm.update(Math.min(0.1, (now - before) / 1000));
    if (now - p.seen > GONE_MS) leave(id);
  }
  before = now;
  if (!stage.draw()) return;
  if (!moved && [...people.values()].some((p) => p && p.poses > 1)) document.body.dataset.moved = moved = Date.now();
}

// ---- what is seen ----
function showBars(seen) {
  const rows = Object.entries(seen).sort((a, b) => b[1] - a[1]).slice(0, NUM_BARS);
  $("bars").replaceChildren(...rows.flatMap(([name, value]) => {
    const title = document.createElement("span"), bar = document.createElement("i"), number = document.createElement("span");
    title.textContent = name; number.textContent = value.toFixed(2); bar.style.width = `${100 * Math.min(1, value)}%`;
    return [title, bar, number];
  }));
}
function picture() { $("video").src = `video?${Date.now()}`; }   // a stream that broke off does not come back by itself
$("video").onerror = () => setTimeout(picture, 1000);
const events = new EventSource(`faces?${data.page}`);
let lost = false;
events.onerror = () => {
  lost = true;
  say(events.readyState === EventSource.CLOSED ? "edgeface has ended; start it again and open the address that it prints" : "edgeface does not answer; trying again");
};
events.onmessage = (event) => {
  const frame = JSON.parse(event.data);
  if (lost) { lost = false; picture(); }
  say(frame.message);
  if (frame.message) return;
  document.body.dataset.time = frame.time_s;
  document.body.dataset.told ??= Date.now();
  if (frame.faces.length) showBars(frame.faces[0].seen);
  if (!stage || !character) return;
  const hold = Number($("smoothing").value), reach = Number($("reach").value);
  for (const row of frame.faces) {
    if (!people.has(row.id)) enter(row.id);
    const puppet = people.get(row.id);
    if (puppet) puppet.show(row, hold, reach);
    stage.stale = true;
  }
};

// ---- what can be asked for ----
$("source").replaceChildren(...data.sources.map((name) => new Option(name.split(/[\\/]/).pop(), name)));
$("source").value = data.source;
$("source").onchange = () => ask("source", { name: $("source").value }).catch((error) => say(error.message));
$("mirror").checked = data.mirror;
$("mirror").onchange = () => ask("mirror", { on: $("mirror").checked });
$("reach").oninput = () => { $("reached").textContent = Number($("reach").value).toFixed(2); };
$("file").onchange = async () => { const [file] = $("file").files; if (file) await take(await file.arrayBuffer(), file.name); $("file").value = ""; };
const ship = async () => take(await (await fetch(data.head)).arrayBuffer(), data.head);
$("reset").onclick = ship;
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault(); document.body.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) await take(await file.arrayBuffer(), file.name);
});
let recording = data.recording;
function showRecording() {
  $("record").textContent = recording ? "stop" : "record a take";
  $("record").classList.toggle("on", recording);
}
showRecording();
$("record").onclick = async () => {
  const told = await ask("take", { on: !recording }).catch((error) => remark(error.message, true));
  if (!told) return;
  recording = told.on;
  showRecording();
  $("take").replaceChildren(...(recording || !told.frames ? [] : ["jsonl", "csv", "glb"].flatMap((kind) => {
    const link = document.createElement("a");
    link.href = `take.${kind}`; link.download = `take.${kind}`; link.textContent = `take.${kind}`;
    return [link, " "];
  })));
  document.body.dataset.take = told.frames;
};
picture();
if (stage) { ship(); requestAnimationFrame(draw); }
