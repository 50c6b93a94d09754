/** Boxes and the points inside them. */

import type { Box, Place, Size } from "./view";

/** The box around two opposite corners, cut at the picture's border. */
export function boxBetween(a: Place, b: Place, picture: Size): Box {
  const left = Math.max(Math.min(a.x, b.x), 0);
  const top = Math.max(Math.min(a.y, b.y), 0);
  const right = Math.min(Math.max(a.x, b.x), picture.width);
  const bottom = Math.min(Math.max(a.y, b.y), picture.height);
  return [left, top, Math.max(right - left, 0), Math.max(bottom - top, 0)];
}

/** Tight around keypoints (centres of pixels), grown by a share of its longer side; null without any point. */
export function around(points: readonly Place[], picture: Size, margin: number): Box | null {
  if (points.length === 0) return null;
  const xs = points.map((point) => point.x + 0.5);
  const ys = points.map((point) => point.y + 0.5);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const grow = margin * Math.max(right - left, bottom - top, 1);
  return boxBetween({ x: left - grow, y: top - grow }, { x: right + grow, y: bottom + grow }, picture);
}

export type Handle = "nw" | "n" | "ne" | "e" | "se" | "s" | "sw" | "w";
export const HANDLES: readonly Handle[] = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

export function handlePlace([x, y, width, height]: Box, handle: Handle): Place {
  return {
    x: handle.includes("w") ? x : handle.includes("e") ? x + width : x + width / 2,
    y: handle.includes("n") ? y : handle.includes("s") ? y + height : y + height / 2,
  };
}

/** The box after one of its handles was dragged to a place; crossing over turns it round. */
export function resized(box: Box, handle: Handle, to: Place, picture: Size): Box {
  const [x, y, width, height] = box;
  const fixed = { x: handle.includes("w") ? x + width : x, y: handle.includes("n") ? y + height : y };
  const moved = {
    x: handle.includes("w") || handle.includes("e") ? to.x : x + width,
    y: handle.includes("n") || handle.includes("s") ? to.y : y + height,
  };
  return boxBetween(fixed, moved, picture);
}
