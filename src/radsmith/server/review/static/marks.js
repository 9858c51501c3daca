// Regions marked on the picture: box, ellipse, freehand; by pointer, or by keys from the middle.
// Points are x, y in fractions of the picture's side.

const MOST = 20;
const POINTS = 200;
const share = (value) => Math.min(1, Math.max(0, value));

export class Marks {
  constructor(viewer, changed) {
    this.viewer = viewer;
    this.changed = changed;
    this.list = [];
    this.artefact = () => "";
    viewer.overlay = (context) => this.#draw(context);
    for (const shape of ["box", "ellipse", "freehand"]) {
      viewer.hands[shape] = (phase, event) => this.#hand(shape, phase, event);
    }
  }

  set(list) {
    this.list = list.map((mark) => ({ ...mark }));
    this.#told();
  }

  remove() {
    this.list.pop();
    this.#told();
  }

  // A mark in the middle, to be moved by arrows and sized by Shift and arrows.
  place(shape) {
    if (this.list.length >= MOST) return;
    const points = shape === "freehand" ? [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]] : [[0.4, 0.4], [0.6, 0.6]];
    this.list.push({ shape, points, artefact: this.artefact() });
    this.#told();
  }

  move(dx, dy, size) {
    const mark = this.list.at(-1);
    if (!mark) return false;
    const [x, y] = mark.points[0];
    mark.points = mark.points.map(([a, b], i) => {
      if (!size) return [share(a + dx), share(b + dy)];
      const grow = (value, from, by) => share(from + (value - from) * (1 + by * 8));
      return i === 0 ? [a, b] : [grow(a, x, dx), grow(b, y, dy)];
    });
    this.#told();
    return true;
  }

  #at(event) {
    const [x, y] = this.viewer.toImage(event.clientX, event.clientY);
    const { width, height } = this.viewer.image;
    return [share(x / width), share(y / height)];
  }

  #hand(shape, phase, event) {
    if (phase === "hover") return;
    const point = this.#at(event);
    if (phase === "down") {
      if (this.list.length >= MOST) return;
      this.list.push({ shape, points: shape === "freehand" ? [point] : [point, point], artefact: this.artefact() });
      this.drawing = true;
    } else if (this.drawing) {
      const mark = this.list.at(-1);
      if (shape !== "freehand") mark.points = [mark.points[0], point];
      else if (mark.points.length < POINTS) mark.points.push(point);
      if (phase === "up") {
        this.drawing = false;
        const [xs, ys] = [0, 1].map((axis) => mark.points.map((p) => p[axis]));
        const size = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
        if (size < 0.01 || (shape === "freehand" && mark.points.length < 3)) this.list.pop(); // a slip
      }
    }
    this.#told();
  }

  #told() {
    this.viewer.draw();
    this.changed(this.list);
  }

  #draw(context) {
    const { width, height } = this.viewer.image;
    context.lineWidth = 2 / this.viewer.scale;
    this.list.forEach((mark, i) => {
      context.strokeStyle = i === this.list.length - 1 ? "#f2b64a" : "#6db7f2";
      context.beginPath();
      const points = mark.points.map(([x, y]) => [x * width, y * height]);
      const [[x, y], [a, b] = [x, y]] = points;
      if (mark.shape === "box") context.rect(x, y, a - x, b - y);
      else if (mark.shape === "ellipse") {
        context.ellipse((x + a) / 2, (y + b) / 2, Math.abs(a - x) / 2, Math.abs(b - y) / 2, 0, 0, 2 * Math.PI);
      } else {
        points.forEach(([u, v], n) => (n ? context.lineTo(u, v) : context.moveTo(u, v)));
        context.closePath();
      }
      context.stroke();
    });
  }
}
