// Reads the PNGs of the test vectors, 8-bit RGB, where there is no browser to do so.
import { inflateSync } from "node:zlib";

/** @returns {{width: number, height: number, data: Uint8ClampedArray}} RGBA */
export function readPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (view.getUint32(24) >>> 16 !== 0x0802 || bytes[28]) throw new Error("expected 8-bit RGB");
  const packed = [];
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const name = new TextDecoder().decode(bytes.subarray(at + 4, at + 8));
    if (name === "IDAT") packed.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const filtered = inflateSync(Buffer.concat(packed));
  const row = width * 3;
  const rgb = new Uint8Array(row * height);
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const left = x >= 3 ? rgb[y * row + x - 3] : 0;
      const up = y ? rgb[(y - 1) * row + x] : 0;
      const corner = y && x >= 3 ? rgb[(y - 1) * row + x - 3] : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      const value = (filtered[y * (row + 1) + 1 + x] + guess) & 255;
      rgb[y * row + x] = value;
      data[(y * width + Math.floor(x / 3)) * 4 + (x % 3)] = value;
    }
  }
  return { width, height, data };
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map(value => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
