// Faces over a canvas: boxes, and the 68 landmarks as the lines of a face.

const CHAINS = [ // [first, last, whether it closes], of the 68 points
  [0, 16, false], [17, 21, false], [22, 26, false], [27, 30, false], [31, 35, false],
  [36, 41, true], [42, 47, true], [48, 59, true], [60, 67, true],
];

export function drawFaces(context, faces, { box = "#ffd23f", lines = "#3bf48b" } = {}) {
  const { width, height } = context.canvas;
  const unit = Math.max(width, height) / 640;
  context.save();
  context.lineJoin = context.lineCap = "round";
  context.font = `600 ${13 * unit}px system-ui, sans-serif`;
  faces.forEach((face, index) => {
    const [x0, y0, x1, y1] = face.box_xyxy;
    context.lineWidth = 1.5 * unit;
    context.strokeStyle = context.fillStyle = box;
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    context.fillText(`${face.track_id ?? index + 1}`, x0, y0 - 4 * unit);
    // thin on small faces, so that they stay to be seen
    context.lineWidth = Math.min(1.5 * unit, Math.max(x1 - x0, y1 - y0) / 60);
    context.strokeStyle = lines;
    context.beginPath();
    for (const [first, last, closes] of CHAINS) {
      const points = face.landmarks_2d.slice(first, last + 1);
      points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      if (closes) context.lineTo(...points[0]);
    }
    context.stroke();
  });
  context.restore();
}
