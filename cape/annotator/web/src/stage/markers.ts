/** What the stage draws: a view of one annotated object, without a word about servers. */

import type { Covariance } from "../geometry/ellipse";
import type { Box, Place } from "../geometry/view";

export type Visibility = "visible" | "occluded" | "absent";

export interface Marker {
  readonly index: number;
  readonly name: string;
  /** In the point frame; null where nobody and nothing has put it yet. */
  readonly place: Place | null;
  readonly visibility: Visibility;
  /** Probability that it is right; null where a person put it. */
  readonly score: number | null;
  readonly covariance: Covariance | null;
  /** What each branch of the model says, where they differ enough to matter. */
  readonly branches: readonly Place[];
}

export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly markers: readonly Marker[];
  readonly edges: readonly (readonly [number, number])[];
  readonly box: Box | null;
}

export interface Layers {
  readonly rings: boolean;
  readonly ellipses: boolean;
  readonly branches: boolean;
  readonly names: boolean;
  readonly edges: boolean;
  readonly boxes: boolean;
}

/** Drawn where it is known and not said to be absent. */
export function isDrawn(marker: Marker): marker is Marker & { place: Place } {
  return marker.place !== null && marker.visibility !== "absent";
}

export function isDoubtful(marker: Marker, threshold: number): boolean {
  return marker.score !== null && marker.score < threshold;
}

/** As a screen reader says it. */
export function spoken(marker: Marker): string {
  const words = [marker.name || `point ${marker.index + 1}`];
  words.push(marker.place === null ? "not placed" : marker.visibility);
  if (marker.place !== null) {
    words.push(`at ${Math.round(marker.place.x)}, ${Math.round(marker.place.y)}`);
    words.push(marker.score === null ? "placed by a person" : `${Math.round(marker.score * 100)} percent sure`);
  }
  return words.join(", ");
}
