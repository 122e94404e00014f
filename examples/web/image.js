// An image, or a part of it, in the network's square input.

/**
 * @param {ImageData} image RGBA
 * @param {number} size side of the input
 * @param {number} padValue grey of the rest
 * @returns {{pixels: Uint8Array, scale: number[], offset: number[]}} NHWC RGB, and
 *   input = image * scale + offset for x and y
 */
export function letterbox(image, size, padValue) {
  const longer = Math.max(image.width, image.height);
  const innerWidth = Math.max(1, roundEven((image.width * size) / longer));
  const innerHeight = Math.max(1, roundEven((image.height * size) / longer));
  const left = Math.floor((size - innerWidth) / 2);
  const top = Math.floor((size - innerHeight) / 2);
  const pixels = new Uint8Array(size * size * 3).fill(padValue);
  const whole = [0, 0, image.width, image.height];
  draw(image, whole, [left, top], [innerWidth, innerHeight], pixels, size);
  const scale = [innerWidth / image.width, innerHeight / image.height];
  return { pixels, scale, offset: [left, top] };
}

/** Halves go to the even neighbour, as in Python. */
function roundEven(value) {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down % 2) : Math.round(value);
}

/**
 * The square around a box, `cropScale` times the box's longer side, as `letterbox` returns it.
 * @param {number[]} box [x0, y0, x1, y1]
 */
export function crop(image, [x0, y0, x1, y1], cropScale, size, padValue) {
  const side = cropScale * Math.max(x1 - x0, y1 - y0);
  if (!(side > 0 && side < Infinity)) throw new Error("a face's box is empty");
  const scale = size / side;
  const extent = [image.width, image.height];
  const offset = [x0 + x1, y0 + y1].map(sum => (side / 2 - sum / 2) * scale);
  // the whole input pixels that the image covers
  const first = offset.map(value => clip(Math.ceil(value), 0, size));
  const last = offset.map((value, i) => clip(Math.floor(value + scale * extent[i]), 0, size));
  const pixels = new Uint8Array(size * size * 3).fill(padValue);
  const inner = [last[0] - first[0], last[1] - first[1]];
  if (inner[0] > 0 && inner[1] > 0) {
    const part = [first, last].flatMap(corner =>
      corner.map((value, i) => clip((value - offset[i]) / scale, 0, extent[i])));
    draw(image, part, first, inner, pixels, size);
  }
  return { pixels, scale: [scale, scale], offset };
}

const clip = (x, low, high) => Math.min(Math.max(x, low), high);

/** Resizes a part [x0, y0, x1, y1] of an RGBA image into the input, with its corner at a place. */
function draw({ width, height, data }, [x0, y0, x1, y1], [left, top], [newWidth, newHeight],
  input, size) {
  // rows that no pixel of the part needs are not touched
  const firstRow = Math.max(0, Math.floor(y0) - 1);
  const numRows = Math.min(height, Math.ceil(y1) + 1) - firstRow;
  const columns = filter(x0, x1, width, newWidth);
  const rows = filter(y0 - firstRow, y1 - firstRow, numRows, newHeight);
  const narrow = new Float32Array(newWidth * numRows * 3);
  for (let y = 0; y < numRows; y++) {
    for (let x = 0; x < newWidth; x++) {
      const { first, weights } = columns[x];
      let [r, g, b, at] = [0, 0, 0, ((y + firstRow) * width + first) * 4];
      for (const weight of weights) {
        r += weight * data[at];
        g += weight * data[at + 1];
        b += weight * data[at + 2];
        at += 4;
      }
      narrow.set([r, g, b], (y * newWidth + x) * 3);
    }
  }
  for (let y = 0; y < newHeight; y++) {
    const { first, weights } = rows[y];
    for (let x = 0; x < newWidth * 3; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) {
        sum += weights[i] * narrow[(first + i) * newWidth * 3 + x];
      }
      input[((top + y) * size + left) * 3 + x] = Math.floor(sum + 0.5);
    }
  }
}

/**
 * For each of `newLength` pixels the first source pixel in [start, end) and the weights from there
 * on: areas averaged where the axis shrinks, bilinear where it grows.
 */
function filter(start, end, length, newLength) {
  const step = (end - start) / newLength;
  return Array.from({ length: newLength }, (_, i) => {
    if (step <= 1) {
      const position = clip(start + (i + 0.5) * step - 0.5, 0, length - 1);
      const first = Math.min(Math.floor(position), Math.max(0, length - 2));
      const second = position - first;
      return { first, weights: length > 1 ? [1 - second, second] : [1] };
    }
    const low = start + i * step;
    const high = Math.min(low + step, length);
    const first = Math.min(Math.floor(low), length - 1);
    const weights = [];
    for (let j = first; j < high && j < length; j++) {
      weights.push((Math.min(j + 1, high) - Math.max(j, low)) / (high - low));
    }
    return { first, weights };
  });
}
