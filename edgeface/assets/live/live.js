// The live page: everybody in the picture moves a character of their own.
import {
  AmbientLight, Box3, Color, DirectionalLight, GLTFLoader, Group, HemisphereLight, OrbitControls,
  PerspectiveCamera, Quaternion, Scene, Vector3, VRMLoaderPlugin, VRMUtils, WebGLRenderer,
} from "./three.js";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const NUM_BARS = 8, GONE_MS = 1500, REMARK_MS = 6000, EYE_RAD = [22, 38].map((v) => v * Math.PI / 180);

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
let renderer = null;
try {
  renderer = new WebGLRenderer({ antialias: true });
  renderer.setPixelRatio(window.devicePixelRatio || 1);
  $("stage").prepend(renderer.domElement);
} catch {
  say("this browser has no WebGL; the picture and the bars still work");
}
const scene = new Scene(), camera = new PerspectiveCamera(28, 1, 0.05, 50);
const key = new DirectionalLight(0xffffff, 2.2), rim = new DirectionalLight(0x99bbff, 1.2);
scene.background = new Color(0x1d2027);
key.position.set(-1, 1.2, 2); rim.position.set(2, 0.3, -0.5);
scene.add(key, rim, new HemisphereLight(0xdde4ff, 0x443322, 0.7), new AmbientLight(0xffffff, 0.25));
const controls = renderer && new OrbitControls(camera, renderer.domElement);
if (controls) controls.addEventListener("change", () => { stale = true; });

class Puppet {
  // A character as it was loaded, scaled so that its face is one unit high.
  constructor(gltf, plan) {
    this.vrm = gltf.userData.vrm || null;
    this.root = new Group();
    const figure = this.vrm ? this.vrm.scene : gltf.scene;
    if (this.vrm) VRMUtils.rotateVRM0(this.vrm);
    this.root.add(figure);
    this.meshes = [];
    figure.traverse((o) => {
      o.frustumCulled = false;
      if (o.isMesh && o.morphTargetDictionary) this.meshes.push(o);
    });
    this.root.updateMatrixWorld(true);
    const box = new Box3();
    for (const mesh of this.meshes) box.expandByObject(mesh);
    const size = box.getSize(new Vector3()), centre = box.getCenter(new Vector3());
    // what has nothing above or below its face may fill the stage
    const alone = new Box3().expandByObject(figure).getSize(new Vector3()).y < 1.05 * size.y;
    const scale = (alone ? 1.25 : 1) / Math.max(size.y, 1e-6);
    figure.position.sub(centre);
    this.root.scale.setScalar(scale);
    this.back = this.vrm && this.vrm.meta.metaVersion === "0" ? -1 : 1;
    this.bones = {};
    for (const [bone, name] of Object.entries(plan.bones)) this.addBone(bone, figure, name);
    this.values = {};
    this.turns = {};
    this.poses = 0;   // that it was given
    this.seen = performance.now();
  }
  addBone(bone, figure, name) {
    const node = this.vrm ? this.vrm.humanoid.getNormalizedBoneNode(bone) : figure.getObjectByName(name);
    if (!node) return;
    const parent = this.vrm ? new Quaternion() : node.parent.getWorldQuaternion(new Quaternion());
    this.bones[bone] = { node, rest: node.quaternion.clone(), parent };
  }
  turn(bone, [w, x, y, z]) {
    const found = this.bones[bone];
    if (!found) return;
    const turn = new Quaternion(x * this.back, y, z * this.back, w), { node, rest, parent } = found;
    node.quaternion.copy(parent.clone().invert()).multiply(turn).multiply(parent).multiply(rest);
  }
  set(name, value) {
    if (this.vrm && this.vrm.expressionManager && this.vrm.expressionManager.getExpression(name)) {
      this.vrm.expressionManager.setValue(name, value);
      return;
    }
    for (const mesh of this.meshes) {
      const index = mesh.morphTargetDictionary[name];
      if (index !== undefined) mesh.morphTargetInfluences[index] = value;
    }
  }
  show(row, plan) {
    const hold = Number($("smoothing").value), reach = Number($("reach").value);
    for (const [name, value] of Object.entries(row.shapes)) {
      const wanted = Math.min(1, reach * value), before = this.values[name] ?? wanted;
      this.values[name] = hold * before + (1 - hold) * wanted;
      this.set(name, this.values[name]);
    }
    for (const [bone, q] of Object.entries(row.bones)) {
      const wanted = new Quaternion(q[1], q[2], q[3], q[0]);
      const now = this.turns[bone] = (this.turns[bone] || wanted.clone()).slerp(wanted, 1 - hold);
      this.turn(bone, [now.w, now.x, now.y, now.z]);
    }
    if (plan.turns_eyes) {
      const look = (way, side) => row.seen[`eyeLook${way}${side}`] || 0;
      for (const [bone, side, out] of [["leftEye", "Left", 1], ["rightEye", "Right", -1]]) {
        const pitch = EYE_RAD[0] * (look("Down", side) - look("Up", side)) / 2;
        const yaw = EYE_RAD[1] * out * (look("Out", side) - look("In", side)) / 2;
        this.turn(bone, [Math.cos(yaw) * Math.cos(pitch), Math.cos(yaw) * Math.sin(pitch), Math.sin(yaw) * Math.cos(pitch), Math.sin(yaw) * Math.sin(pitch)]);
      }
    }
    this.seen = performance.now();
    this.poses += 1;
    stale = true;
  }
}

const people = new Map();   // puppets by the number of the person; a promise while one is loaded
let character = null, plan = null, spare = null;   // the spare one was loaded to be inspected, and is the first to enter

let saidAt = 0;
function remark(text, stays) {   // what is no error goes after a while: it lies over the character
  const number = ++saidAt;
  $("says").textContent = text; $("says").style.opacity = 1;
  if (!stays) setTimeout(() => { if (number === saidAt) $("says").style.opacity = 0; }, REMARK_MS);
}

async function parse(buffer) {
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  const head = new TextDecoder().decode(buffer.slice(0, 20 + new DataView(buffer).getUint32(12, true)));
  if (head.includes("EXT_meshopt_compression")) loader.setMeshoptDecoder((await import("./meshopt.js")).MeshoptDecoder);
  return new Promise((done, failed) => loader.parse(buffer.slice(0), "", done, failed));
}
async function take(buffer, name) {
  // Drive a character from now on: the server says by which mapping.
  try {
    const gltf = await parse(buffer), shapes = new Set(), nodes = [];
    gltf.scene.traverse((o) => {
      if (o.name) nodes.push(o.name);
      for (const shape of Object.keys(o.morphTargetDictionary || {})) shapes.add(shape);
    });
    const vrm = gltf.userData.vrm;
    const clips = vrm && vrm.expressionManager ? vrm.expressionManager.expressionMap : {};
    for (const [name, clip] of Object.entries(clips)) if (clip.binds.length) shapes.add(name);   // others move nothing
    const kind = vrm ? `VRM ${vrm.meta.metaVersion === "0" ? "0.x" : "1.0"}` : "glTF";
    const own = (gltf.asset || {}).generator === "edgeface";
    plan = await ask("character", { name, kind, own, shapes: [...shapes], nodes });
    for (const id of [...people.keys()]) leave(id);
    character = buffer; spare = gltf;
    renderer.compileAsync(gltf.scene, camera, scene);   // while the first face is looked for
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
  const puppet = new Puppet(ready || await parse(from), plan);
  if (from !== character || !people.has(id)) return;
  people.set(id, puppet);
  scene.add(puppet.root);
  arrange();
}
function leave(id) {
  const puppet = people.get(id);
  if (puppet) { scene.remove(puppet.root); VRMUtils.deepDispose(puppet.root); }
  people.delete(id);
  arrange();
}
function arrange() {
  const here = [...people.entries()].filter(([, p]) => p).sort((a, b) => a[0] - b[0]);
  here.forEach(([, p], i) => p.root.position.set(0.95 * (i - (here.length - 1) / 2), 0, 0));
  const { clientWidth: w, clientHeight: h } = $("stage");
  const wide = 0.95 * Math.max(here.length, 1) * h / Math.max(w, 1);
  camera.position.set(0, 0.02, Math.max(1.5, wide) / (2 * Math.tan(camera.fov * Math.PI / 360)));
  if (controls) { controls.target.set(0, 0, 0); controls.update(); }
  stale = true;
  document.body.dataset.people = here.length;
}
let before = performance.now(), moved = 0;   // when a second pose was drawn
let stale = true;                            // whether the stage has changed since it was drawn
function draw(now) {
  requestAnimationFrame(draw);
  const { clientWidth: w, clientHeight: h } = $("stage"), canvas = renderer.domElement;
  if (canvas.dataset.size !== `${w}x${h}`) {
    canvas.dataset.size = `${w}x${h}`;
    renderer.setSize(w, h, false); camera.aspect = w / Math.max(h, 1); camera.updateProjectionMatrix();
    arrange();
  }
  for (const [id, p] of people) {
    if (!p) continue;
    if (p.vrm) stale = true, p.vrm.update(Math.min(0.1, (now - before) / 1000));
    if (now - p.seen > GONE_MS) leave(id);
  }
  before = now;
  if (!stale) return;
  renderer.render(scene, camera);
  stale = false;
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
const events = new EventSource("faces");
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
  if (!renderer || !character) return;
  for (const row of frame.faces) {
    if (!people.has(row.id)) enter(row.id);
    const puppet = people.get(row.id);
    if (puppet) puppet.show(row, plan);
  }
};

// ---- what can be asked for ----
$("source").replaceChildren(...data.sources.map((name) => new Option(name.split(/[\\/]/).pop(), name)));
$("source").onchange = () => ask("source", { name: $("source").value }).catch((error) => say(error.message));
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
let recording = false;
$("record").onclick = async () => {
  const told = await ask("take", { on: !recording });
  recording = told.on;
  $("record").textContent = recording ? "stop" : "record a take";
  $("record").classList.toggle("on", recording);
  $("take").replaceChildren(...(recording || !told.frames ? [] : ["jsonl", "csv", "glb"].flatMap((kind) => {
    const link = document.createElement("a");
    link.href = `take.${kind}`; link.download = `take.${kind}`; link.textContent = `take.${kind}`;
    return [link, " "];
  })));
  document.body.dataset.take = told.frames;
};
picture();
if (renderer) { ship(); requestAnimationFrame(draw); }
