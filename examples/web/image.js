// An image in the middle of the network's square input.

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
  const inner = resize(image, innerWidth, innerHeight);
  const pixels = new Uint8Array(size * size * 3).fill(padValue);
  for (let y = 0; y < innerHeight; y++) {
    const row = inner.subarray(y * innerWidth * 3, (y + 1) * innerWidth * 3);
    pixels.set(row, ((top + y) * size + left) * 3);
  }
  const scale = [innerWidth / image.width, innerHeight / image.height];
  return { pixels, scale, offset: [left, top] };
}

/** Halves go to the even neighbour, as in Python. */
function roundEven(value) {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down % 2) : Math.round(value);
}

/** RGB of an RGBA image at another size: areas averaged where it shrinks, bilinear where it grows. */
function resize({ width, height, data }, newWidth, newHeight) {
  const columns = filter(width, newWidth);
  const rows = filter(height, newHeight);
  const narrow = new Float32Array(newWidth * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < newWidth; x++) {
      const { first, weights } = columns[x];
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) {
          sum += weights[i] * data[(y * width + first + i) * 4 + c];
        }
        narrow[(y * newWidth + x) * 3 + c] = sum;
      }
    }
  }
  const out = new Uint8ClampedArray(newWidth * newHeight * 3);
  for (let y = 0; y < newHeight; y++) {
    const { first, weights } = rows[y];
    for (let x = 0; x < newWidth * 3; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) {
        sum += weights[i] * narrow[(first + i) * newWidth * 3 + x];
      }
      out[y * newWidth * 3 + x] = Math.floor(sum + 0.5);
    }
  }
  return out;
}

/** For each output pixel the first source pixel and the weights from there on. */
function filter(length, newLength) {
  const step = length / newLength;
  return Array.from({ length: newLength }, (_, i) => {
    if (step <= 1) {
      const position = Math.max(0, Math.min((i + 0.5) * step - 0.5, length - 1));
      const first = Math.min(Math.floor(position), Math.max(0, length - 2));
      const second = position - first;
      return { first, weights: length > 1 ? [1 - second, second] : [1] };
    }
    const low = i * step;
    const high = Math.min(low + step, length);
    const first = Math.floor(low);
    const weights = [];
    for (let j = first; j < high; j++) {
      weights.push((Math.min(j + 1, high) - Math.max(j, low)) / step);
    }
    return { first, weights };
  });
}
