// Characters on a stage: what the live page and the page of a take draw.
import {
  AmbientLight, Box3, Color, DirectionalLight, GLTFLoader, Group, HemisphereLight, OrbitControls,
  PerspectiveCamera, Quaternion, Scene, Vector3, VRMLoaderPlugin, VRMUtils, WebGLRenderer,
} from "./three.js";

export class Stage {
  // Draws into an element of the page; making one throws where there is no WebGL.
  constructor(place) {
    this.place = place;
    this.renderer = new WebGLRenderer({ antialias: true });
    this.renderer.setPixelRatio(window.devicePixelRatio || 1);
    place.prepend(this.renderer.domElement);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(28, 1, 0.05, 50);
    const key = new DirectionalLight(0xffffff, 2.2), rim = new DirectionalLight(0x99bbff, 1.2);
    this.scene.background = new Color(0x1d2027);
    key.position.set(-1, 1.2, 2); rim.position.set(2, 0.3, -0.5);
    this.scene.add(key, rim, new HemisphereLight(0xdde4ff, 0x443322, 0.7), new AmbientLight(0xffffff, 0.25));
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => { this.stale = true; });
    this.puppets = [];
    this.stale = true;   // whether anything has changed since it was drawn
  }
  prepare(figure) { this.renderer.compileAsync(figure, this.camera, this.scene); }
  cast(puppets) {   // these alone, from left to right
    for (const gone of this.puppets) if (!puppets.includes(gone)) this.scene.remove(gone.root);
    for (const { root } of puppets) this.scene.add(root);
    this.puppets = puppets;
    puppets.forEach((p, i) => p.root.position.set(0.95 * (i - (puppets.length - 1) / 2), 0, 0));
    this.face();
  }
  face() {   // all of them from in front
    const { clientWidth: w, clientHeight: h } = this.place;
    const wide = 0.95 * Math.max(this.puppets.length, 1) * h / Math.max(w, 1);
    this.camera.position.set(0, 0.02, Math.max(1.5, wide) / (2 * Math.tan(this.camera.fov * Math.PI / 360)));
    this.controls.target.set(0, 0, 0);
    this.controls.update();
    this.stale = true;
  }
  draw() {   // if anything has changed; says whether
    const { clientWidth: w, clientHeight: h } = this.place, canvas = this.renderer.domElement;
    if (canvas.dataset.size !== `${w}x${h}`) {
      canvas.dataset.size = `${w}x${h}`;
      this.renderer.setSize(w, h, false);
      this.camera.aspect = w / Math.max(h, 1);
      this.camera.updateProjectionMatrix();
      this.face();
    }
    if (!this.stale) return false;
    this.renderer.render(this.scene, this.camera);
    this.stale = false;
    return true;
  }
}

export async function parse(buffer) {
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  const head = new TextDecoder().decode(buffer.slice(0, 20 + new DataView(buffer).getUint32(12, true)));
  if (head.includes("EXT_meshopt_compression")) loader.setMeshoptDecoder((await import("./meshopt.js")).MeshoptDecoder);
  return new Promise((done, failed) => loader.parse(buffer.slice(0), "", done, failed));
}

export class Puppet {
  // A character as it was loaded, scaled so that its face is one unit high; `bones` has the numbers of its nodes.
  constructor(gltf, bones) {
    this.vrm = gltf.userData.vrm || null;
    this.root = new Group();
    const figure = this.vrm ? this.vrm.scene : gltf.scene;
    if (this.vrm) VRMUtils.rotateVRM0(this.vrm);
    for (const expression of this.vrm?.expressionManager?.expressions ?? []) {
      // made for expressions that are switched: of a face, a trace of a smile would hold the lids open
      for (const key of ["overrideBlink", "overrideLookAt", "overrideMouth"]) if (expression[key] === "block") expression[key] = "blend";
    }
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
    const found = [...gltf.parser.associations];
    for (const [bone, number] of Object.entries(bones)) {
      const node = this.vrm ? this.vrm.humanoid.getNormalizedBoneNode(bone) : found.find(([, of]) => of?.nodes === number)?.[0];
      if (node) this.addBone(bone, node);
    }
    this.values = {};
    this.turns = {};
    this.poses = 0;   // that it was given
    this.seen = performance.now();
  }
  addBone(bone, node) {
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
  show(row, hold = 0, reach = 1) {   // hold: the share of the last pose that stays
    for (const name of Object.keys({ ...this.values, ...row.shapes })) {   // what is not seen any more is at rest
      const wanted = Math.min(1, reach * (row.shapes[name] ?? 0)), before = this.values[name] ?? wanted;
      this.values[name] = hold * before + (1 - hold) * wanted;
      this.set(name, this.values[name]);
    }
    for (const [bone, q] of Object.entries(row.bones)) {
      const wanted = new Quaternion(q[1], q[2], q[3], q[0]);
      const now = this.turns[bone] = (this.turns[bone] || wanted.clone()).slerp(wanted, 1 - hold);
      this.turn(bone, [now.w, now.x, now.y, now.z]);
    }
    this.seen = performance.now();
    this.poses += 1;
  }
  dispose() { VRMUtils.deepDispose(this.root); }
}
