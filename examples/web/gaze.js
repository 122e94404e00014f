// Where the eyes look, for networks that have the output `gaze`.

const CORNERS = [[36, 39], [42, 45]]; // of the right eye and of the left
const CENTRE = [0.04, 0.08, -0.2]; // of the eyeball from the middle of its corners, in eye widths
const RADIUS = 0.4; // of the iris centre around it
const FULL_LOOK_DEG = [22, 38]; // pitch and yaw at which ARKit's names are 1
const AXES = [1, -1, -1]; // of the face model in the image: y points down and z away

/** Degrees, [[pitch, yaw] of the right eye, of the left], of the network's four values. */
export function gazeDegrees(raw) {
  const degrees = Array.from(raw, value => (value * 180) / Math.PI);
  return [degrees.slice(0, 2), degrees.slice(2, 4)];
}

/** The centre of each iris in the image; landmarks (x, y, z) in its pixels. */
export function irisCentres(landmarks, rotation, gaze) {
  return CORNERS.map(([a, b], eye) => {
    const [first, last] = [landmarks[a], landmarks[b]];
    const width = Math.hypot(...first.map((value, axis) => value - last[axis]));
    const [pitch, yaw] = gaze[eye].map(value => (value * Math.PI) / 180);
    const look = [
      Math.sin(yaw), -Math.sin(pitch) * Math.cos(yaw), Math.cos(pitch) * Math.cos(yaw)];
    const side = eye === 0 ? -1 : 1; // outwards from the nose
    const place = look.map((value, axis) =>
      (axis === 0 ? side : 1) * CENTRE[axis] + RADIUS * value);
    return [0, 1].map(axis => {
      const turned = rotation[axis].reduce((sum, value, k) => sum + value * place[k], 0);
      return (first[axis] + last[axis]) / 2 + AXES[axis] * width * turned;
    });
  });
}

/** ARKit's eight names for where the eyes look. */
export function eyeLooks(gaze) {
  const looks = {};
  ["Right", "Left"].forEach((side, eye) => {
    const [down, left] = gaze[eye].map((value, k) => value / FULL_LOOK_DEG[k]);
    const inwards = eye === 0 ? left : -left; // the right eye looks at the nose looking left
    const ways = { Up: -down, Down: down, In: inwards, Out: -inwards };
    for (const [way, value] of Object.entries(ways)) {
      looks[`eyeLook${way}${side}`] = Math.min(Math.max(value, 0), 1);
    }
  });
  return looks;
}
