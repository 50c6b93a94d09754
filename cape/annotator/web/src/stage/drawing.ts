/** Attributes of the drawing that change under a hand, without React; the next render sets the same. */

import type { Box, Place } from "../geometry/view";

export function translate({ x, y }: Place): string {
  return `translate(${x} ${y})`;
}

/** The marker, its edges and its ellipse go along. */
export function dragPoint(root: SVGSVGElement, index: number, to: Place): void {
  const marker = root.querySelector<SVGGElement>(`.active [data-point="${index}"]`);
  if (marker === null) return;
  marker.setAttribute("transform", translate(to));
  marker.dataset["x"] = String(to.x);
  marker.dataset["y"] = String(to.y);
  for (const [end, letter] of [
    ["from", "1"],
    ["to", "2"],
  ] as const) {
    for (const edge of root.querySelectorAll<SVGLineElement>(`.active [data-${end}="${index}"]`)) {
      edge.setAttribute(`x${letter}`, String(to.x));
      edge.setAttribute(`y${letter}`, String(to.y));
    }
  }
  // What the model thought of the old place says nothing of the new one.
  root.querySelector(`.active [data-ellipse="${index}"]`)?.setAttribute("visibility", "hidden");
  root.querySelector(`.active [data-branches="${index}"]`)?.setAttribute("visibility", "hidden");
}

export function dragBox(root: SVGSVGElement, box: Box): void {
  const drawn = root.querySelector<SVGRectElement>("[data-draft]");
  if (drawn === null) return;
  const [x, y, width, height] = box;
  drawn.setAttribute("visibility", "visible");
  for (const [name, value] of Object.entries({ x, y, width, height })) drawn.setAttribute(name, String(value));
}

export function hideDraft(root: SVGSVGElement): void {
  root.querySelector("[data-draft]")?.setAttribute("visibility", "hidden");
}
