import { describe, expect, it } from "vitest";

import { around, boxBetween, HANDLES, handlePlace, resized } from "../src/geometry/boxes";
import { disagreement, ellipseOf } from "../src/geometry/ellipse";
import { fit, keepInSight, limits, toCorner, toPoint, toScreen, zoomAt } from "../src/geometry/view";

const stage = { width: 800, height: 600 };
const picture = { width: 4000, height: 1000 };

describe("view", () => {
  it("goes to the screen and back", () => {
    const view = { scale: 0.37, x: -12.5, y: 88 };
    const there = toScreen(view, { x: 123.25, y: 7.75 });
    expect(toCorner(view, there).x).toBeCloseTo(123.25, 9);
    expect(toCorner(view, there).y).toBeCloseTo(7.75, 9);
  });

  it("has the centre of the first pixel at 0, 0 of the point frame", () => {
    const view = { scale: 10, x: 0, y: 0 };
    expect(toPoint(view, { x: 5, y: 5 })).toEqual({ x: 0, y: 0 });
  });

  it("keeps what is under the pointer when it zooms", () => {
    let view = { scale: 0.2, x: 3, y: 5 };
    const at = { x: 333, y: 222 };
    const under = toCorner(view, at);
    for (const factor of [1.7, 0.3, 22, 0.9]) {
      view = zoomAt(view, at, factor, limits(picture, stage));
      expect(toCorner(view, at).x).toBeCloseTo(under.x, 6);
      expect(toCorner(view, at).y).toBeCloseTo(under.y, 6);
    }
  });

  it("does not zoom past its limits", () => {
    const [low, high] = limits(picture, stage);
    const view = { scale: 1, x: 0, y: 0 };
    expect(zoomAt(view, { x: 0, y: 0 }, 1e9, [low, high]).scale).toBe(high);
    expect(zoomAt(view, { x: 0, y: 0 }, 1e-9, [low, high]).scale).toBe(low);
  });

  it("fits a box into the middle", () => {
    const view = fit([1000, 200, 400, 100], stage, 50);
    const middle = toScreen(view, { x: 1200, y: 250 });
    expect(middle.x).toBeCloseTo(400, 9);
    expect(middle.y).toBeCloseTo(300, 9);
    expect(400 * view.scale).toBeCloseTo(700, 9);
  });

  it("never loses the picture", () => {
    const view = keepInSight({ scale: 1, x: 1e6, y: -1e6 }, picture, stage);
    expect(view.x).toBeLessThan(stage.width);
    expect(view.y + picture.height).toBeGreaterThan(0);
  });
});

describe("boxes", () => {
  it("lie between corners in any order, cut at the border", () => {
    expect(boxBetween({ x: 50, y: 900 }, { x: -10, y: 1200 }, picture)).toEqual([0, 900, 50, 100]);
  });

  it("keep the opposite side under each handle", () => {
    const box = [100, 200, 300, 400] as const;
    for (const handle of HANDLES) expect(resized(box, handle, handlePlace(box, handle), picture)).toEqual([...box]);
    expect(resized(box, "w", { x: 150, y: 0 }, picture)).toEqual([150, 200, 250, 400]);
    expect(resized(box, "se", { x: 50, y: 100 }, picture)).toEqual([50, 100, 50, 100]);
  });

  it("go around points from pixel centres", () => {
    expect(around([{ x: 10, y: 10 }, { x: 20, y: 30 }], picture, 0)).toEqual([10.5, 10.5, 10, 20]);
    expect(around([], picture, 0)).toBeNull();
  });
});

describe("ellipses", () => {
  it("have the covariance's axes", () => {
    expect(ellipseOf([[9, 0], [0, 4]], 2)).toEqual({ rx: 6, ry: 4, angle: 0 });
    const tilted = ellipseOf([[5, 3], [3, 5]]);
    expect(tilted?.rx).toBeCloseTo(Math.sqrt(8), 9);
    expect(tilted?.ry).toBeCloseTo(Math.sqrt(2), 9);
    expect(tilted?.angle).toBeCloseTo(45, 9);
  });

  it("are none where there is no covariance", () => {
    for (const bad of [null, [], [[Number.NaN, 0], [0, 1]], [[-1, 0], [0, -1]]]) expect(ellipseOf(bad)).toBeNull();
  });

  it("disagreement is the largest distance", () => {
    expect(disagreement([{ x: 0, y: 0 }, null, { x: 3, y: 4 }, { x: 1, y: 1 }])).toBe(5);
    expect(disagreement([{ x: 0, y: 0 }])).toBe(0);
  });
});
