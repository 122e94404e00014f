// What an exported .onnx file says of itself: its metadata and the face model inside it.
// ONNX Runtime Web does not hand out metadata_props, so this walks the protobuf;
// docs/reference/model-format.md gives the places.

const METADATA_PROPS = 14; // field of ModelProto
const KEY = 1; // fields of StringStringEntryProto
const VALUE = 2;
const NUM_LANDMARKS = 68;
const MAX_BYTES = 2 ** 29; // of a face model
const SCHEMA_MAJORS = [1, 2]; // 2 where cells reach beyond themselves
const NEEDED = ["name", "licence", "input_size", "input", "expression_names", "unseen_expressions",
  "pose_slices"];
const NEEDED_BY_KIND = {
  mfn: ["stride", "cell_range", "anchors", "score_threshold", "iou_threshold"],
  sfn: ["crop_scale"],
};

/**
 * Reads a model file.
 * @param {Uint8Array} bytes of the .onnx file
 * @returns {Promise<{metadata: object, faceModel: object}>}
 */
export async function readModelFile(bytes) {
  try {
    return await read(bytes);
  } catch (error) { // of the many readers below, each with errors of its own
    throw new Error(`the model file cannot be read: ${error.message}`, { cause: error });
  }
}

async function read(bytes) {
  const props = metadataProps(bytes);
  const metadata = JSON.parse(need(props, "edgeface"));
  const version = need(metadata, "schema_version");
  if (!SCHEMA_MAJORS.includes(version[0])) {
    throw new Error(`metadata version ${version}; this program reads ${SCHEMA_MAJORS.join(" and ")}`);
  }
  if (version[0] === 1) metadata.cell_range = 1;
  const own = NEEDED_BY_KIND[need(metadata, "kind")];
  if (!own) {
    throw new Error(`this program runs an mfn or an sfn, the file holds a ${metadata.kind}`);
  }
  for (const key of [...NEEDED, ...own]) need(metadata, key);
  const packed = Uint8Array.from(atob(need(props, "edgeface_face_model")), c => c.charCodeAt(0));
  const faceModel = landmarkBasis(await readNpz(packed));
  if (faceModel.sha256 !== need(metadata, "face_model_sha256")) {
    throw new Error("the face model in the file is not the one its metadata names");
  }
  return { metadata, faceModel };
}

function need(object, key) {
  if (!(key in object)) throw new Error(`the model file lacks ${key}`);
  return object[key];
}

/** metadata_props of a serialised ModelProto as a plain object. */
function metadataProps(bytes) {
  const text = new TextDecoder();
  const props = {};
  for (const [field, value] of protobufFields(bytes)) {
    if (field !== METADATA_PROPS) continue;
    const entry = Object.fromEntries(protobufFields(value));
    props[text.decode(entry[KEY])] = text.decode(entry[VALUE]);
  }
  return props;
}

/** Yields [field number, bytes] of each length-delimited field and steps over the others. */
function* protobufFields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; at < bytes.length; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new Error("the file is cut off, or no ONNX file");
  };
  while (at < bytes.length) {
    const tag = varint();
    const type = tag % 8;
    if (type === 0) varint();
    else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else if (type === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error("the file is cut off, or no ONNX file");
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    } else throw new Error("no ONNX file");
  }
}

/** The arrays of an .npz archive: {name: {shape, data}}. */
async function readNpz(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = bytes.length - 22; // the end-of-central-directory record, before its comment
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("the face model is no zip archive");
  const arrays = {};
  let total = 0;
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const unpacked = view.getUint32(at + 24, true);
    if ((total += unpacked) > MAX_BYTES) throw new Error("the face model is too large");
    const nameLength = view.getUint16(at + 28, true);
    const local = view.getUint32(at + 42, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const start =
      local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.subarray(start, start + size);
    arrays[name.replace(/\.npy$/, "")] = readNpy(method === 0 ? packed : await inflate(packed, unpacked));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return arrays;
}

/** Unpacks bytes that are said to be so many, and no more of them. */
async function inflate(bytes, size) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const unpacked = new Uint8Array(size);
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > size) break;
    unpacked.set(part.value, at);
    at += part.value.length;
  }
  await reader.cancel();
  if (at !== size) throw new Error("an array of the face model is not as long as the zip archive says");
  return unpacked;
}

/** One .npy array in C order; half floats become float32. */
function readNpy(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const long = bytes[6] > 1; // version 1 has a two-byte header length
  const start = (long ? 12 : 10) + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(0, start));
  const type = header.match(/'descr': '([^']+)'/)[1];
  const shape = header.match(/'shape': \(([^)]*)\)/)[1].split(",").filter(s => s.trim()).map(Number);
  if (/'fortran_order': True/.test(header)) throw new Error("expected an array in C order");
  const body = bytes.slice(start).buffer;
  const data = {
    "<f4": () => new Float32Array(body),
    "<f2": () => Float32Array.from(new Uint16Array(body), half),
    "<i4": () => new Int32Array(body),
    "|u1": () => new Uint8Array(body),
  }[type];
  if (!data) throw new Error(`unexpected type ${type} in the face model`);
  const array = { shape, data: data() };
  if (array.data.length !== shape.reduce((product, length) => product * length, 1)) {
    throw new Error("an array of the face model is not as long as its shape says");
  }
  return array;
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * The face model at its landmarks alone.
 * `identity` is (I, L, 3), `offsets` (J, K, L, 3), flat; J is 1 where all identities share them.
 */
function landmarkBasis({ header, identity, expression, landmark_vertices, landmark_weights }) {
  const about = JSON.parse(new TextDecoder().decode(header.data));
  const [numLandmarks, corners] = landmark_vertices.shape;
  const numVertices = identity.shape[1];
  if (numLandmarks !== NUM_LANDMARKS ||
    landmark_vertices.data.some(vertex => vertex < 0 || vertex >= numVertices)) {
    throw new Error("the landmarks of the face model are not on its mesh");
  }
  const atLandmarks = ({ data }) => {
    const count = data.length / (numVertices * 3);
    const out = new Float32Array(count * numLandmarks * 3);
    for (let s = 0; s < count; s++) {
      for (let l = 0; l < numLandmarks; l++) {
        for (let c = l * corners; c < (l + 1) * corners; c++) {
          const vertex = (s * numVertices + landmark_vertices.data[c]) * 3;
          for (let axis = 0; axis < 3; axis++) {
            out[(s * numLandmarks + l) * 3 + axis] +=
              landmark_weights.data[c] * data[vertex + axis];
          }
        }
      }
    }
    return out;
  };
  return {
    sha256: about.sha256,
    numLandmarks,
    numIdentity: identity.shape[0],
    numExpressions: expression.shape.at(-3),
    numSharing: expression.shape.length === 4 ? expression.shape[0] : 1,
    identity: atLandmarks(identity),
    offsets: atLandmarks(expression),
  };
}
