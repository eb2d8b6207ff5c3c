export interface Point {
  /** Fractions of the pad's side, from its upper left corner. */
  x: number;
  y: number;
}

export type Stroke = readonly Point[];

const SIDE = 28;
/** MNIST's digits fill a box of this side, whatever their proportions. */
const BOX = 20;
/** Where the centre of mass of MNIST's images is: in the middle of pixel 14 of 0 … 27, each way. */
const CENTRE = 14.5;
/** Half the width of a line, in pixels: about that of MNIST's. */
const RADIUS = 1.15;
/** A dot is not blown up to the size of a digit. */
const MOST_SCALE = 4;

/**
 * A drawing as MNIST has its images (Y. LeCun, C. Cortes and C. Burges): scaled to a box of 20 × 20 with its proportions kept, antialiased,
 * its centre of mass in the middle of 28 × 28 pixels. Lines are drawn at that scale, so that they are as thick in a small drawing as in a large one.
 * @returns 784 bytes, row by row; 255 is ink
 */
export function renderDigit(strokes: readonly Stroke[]): Uint8Array {
  const points = strokes.flat().map(({ x, y }) => ({ x: x * SIDE, y: y * SIDE }));
  if (points.length === 0) return new Uint8Array(SIDE * SIDE);
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const scale = Math.min((BOX - 2 * RADIUS) / Math.max(width, height, 1e-9), MOST_SCALE);
  const place = (dx: number, dy: number): Stroke[] => strokes.map((stroke) => stroke.map(({ x, y }) => ({
    x: (x * SIDE - left - width / 2) * scale + dx, y: (y * SIDE - top - height / 2) * scale + dy,
  })));
  const first = draw(place(SIDE / 2, SIDE / 2));
  const { x, y } = centreOfMass(first);
  return Uint8Array.from(draw(place(SIDE / 2 + CENTRE - x, SIDE / 2 + CENTRE - y)), (ink) => Math.round(255 * ink));
}

/** Where ink's weight is, in pixels from the upper left corner of the image. */
export function centreOfMass(image: ArrayLike<number>): Point {
  let [sum, x, y] = [0, 0, 0];
  for (let i = 0; i < SIDE * SIDE; i++) {
    sum += image[i];
    x += image[i] * ((i % SIDE) + 0.5);
    y += image[i] * (Math.floor(i / SIDE) + 0.5);
  }
  return { x: x / sum, y: y / sum };
}

/** Lines with round ends, 0 … 1: a pixel is as dark as its middle is within a line, with a soft edge of one pixel. */
function draw(strokes: readonly Stroke[]): Float32Array {
  const image = new Float32Array(SIDE * SIDE);
  const reach = RADIUS + 0.5;
  const clamp = (value: number): number => Math.min(SIDE, Math.max(0, value));
  for (const stroke of strokes) {
    stroke.forEach((a, i) => {
      const b = stroke[Math.min(i + 1, stroke.length - 1)];
      const [x0, x1] = [clamp(Math.floor(Math.min(a.x, b.x) - reach)), clamp(Math.ceil(Math.max(a.x, b.x) + reach))];
      const [y0, y1] = [clamp(Math.floor(Math.min(a.y, b.y) - reach)), clamp(Math.ceil(Math.max(a.y, b.y) + reach))];
      for (let y = y0; y < y1; y++) {
        for (let x = x0; x < x1; x++) {
          const ink = Math.min(1, Math.max(0, reach - distance({ x: x + 0.5, y: y + 0.5 }, a, b)));
          image[y * SIDE + x] = Math.max(image[y * SIDE + x], ink);
        }
      }
    });
  }
  return image;
}

/** From a point to a line between two others. */
function distance(p: Point, a: Point, b: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / length));
  return Math.hypot(p.x - a.x - along * dx, p.y - a.y - along * dy);
}
