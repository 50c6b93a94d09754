/** Uncertainty as people see it: the ellipse of a 2 x 2 covariance. */

import type { Place } from "./view";

export interface Ellipse {
  readonly rx: number;
  readonly ry: number;
  /** Degrees from the x axis, clockwise on the screen (y points down). */
  readonly angle: number;
}

export type Covariance = readonly (readonly number[])[];

/** Axes of `sigmas` standard deviations; null for what is no covariance (negative, missing, not a number). */
export function ellipseOf(covariance: Covariance | null | undefined, sigmas = 1): Ellipse | null {
  const a = covariance?.[0]?.[0];
  const b = covariance?.[0]?.[1];
  const c = covariance?.[1]?.[1];
  if (a === undefined || b === undefined || c === undefined) return null;
  if (![a, b, c].every(Number.isFinite)) return null;
  const middle = (a + c) / 2;
  const spread = Math.hypot((a - c) / 2, b);
  const [large, small] = [middle + spread, Math.max(middle - spread, 0)];
  if (large <= 0) return null;
  const angle = (Math.atan2(2 * b, a - c) / 2) * (180 / Math.PI);
  return { rx: sigmas * Math.sqrt(large), ry: sigmas * Math.sqrt(small), angle };
}

/** Largest distance between what branches say, in pixels; 0 where there are fewer than two. */
export function disagreement(places: readonly (Place | null | undefined)[]): number {
  const known = places.filter((place): place is Place => place != null);
  let largest = 0;
  known.forEach((a, i) => {
    for (const b of known.slice(i + 1)) largest = Math.max(largest, Math.hypot(a.x - b.x, a.y - b.y));
  });
  return largest;
}
