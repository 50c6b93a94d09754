/** From what is stored and what the model says to the pose that is shown: pure functions. */

import type { Category, Instance, InstanceDraft, Point, Prediction } from "../api/types";
import { disagreement } from "../geometry/ellipse";
import type { Box, Place, Size } from "../geometry/view";
import type { Figure, Marker, Visibility } from "../stage/markers";

/** The id of a figure that is only proposed: nothing of it is stored. */
export const SUGGESTION = "suggestion";
const NAMES: readonly Visibility[] = ["absent", "occluded", "visible"];
/** A keypoint that the picture shows with a smaller probability is proposed as absent; as the server does. */
const LEAST_PRESENCE = 0.5;
/** Branches farther apart than this share of the box's longer side disagree. */
const APART = 0.1;

export const visibilityName = (value: 0 | 1 | 2): Visibility => NAMES[value] ?? "absent";

export function boxOf(box: { x: number; y: number; width: number; height: number } | null | undefined): Box | null {
  return box ? [box.x, box.y, box.width, box.height] : null;
}

/** What was put by hand: the model keeps to it. */
export function fixedPoints(points: readonly Point[]): { keypoint: string; x: number; y: number }[] {
  return points.flatMap(({ keypoint, x, y, source, visibility }) =>
    source !== "model" && visibility > 0 && x != null && y != null ? [{ keypoint, x, y }] : [],
  );
}

/** Changes when a correction does; what the model said to other corrections is out of date. */
export function correctionsKey(instance: Pick<Instance, "points" | "box">): string {
  return JSON.stringify([fixedPoints(instance.points), instance.box]);
}

/** A prediction's points as an instance would have them; what lies outside the picture is absent. */
export function pointsOf(prediction: Prediction, size: Size): Point[] {
  return prediction.points
    .filter((point) => point.asked)
    .map(({ keypoint, x, y, score, presence, fixed }) => {
      const inside = x >= -0.5 && y >= -0.5 && x <= size.width - 0.5 && y <= size.height - 0.5;
      const gone = !fixed && (presence < LEAST_PRESENCE || !inside);
      return {
        keypoint,
        x: gone ? null : x,
        y: gone ? null : y,
        visibility: gone ? 0 : 2,
        source: "model",
        score,
      } satisfies Point;
    });
}

/** A new draft out of a prediction. A box around everything says nothing and is left out. */
export function proposed(prediction: Prediction, id: string, size: Size): InstanceDraft {
  const { x, y, width, height } = prediction.box;
  const whole = x === 0 && y === 0 && width === size.width && height === size.height;
  return {
    id,
    picture_id: prediction.picture_id,
    category_id: prediction.category_id,
    points: pointsOf(prediction, size),
    box: whole ? null : prediction.box,
    state: "draft",
    shot: false,
    proposed: true,
    score: prediction.confidence,
  };
}

/** The draft with what the model says to its corrections: own points stay, the model's follow. */
export function following(instance: InstanceDraft, prediction: Prediction | undefined, size: Size): InstanceDraft {
  if (prediction === undefined || instance.state !== "draft") return instance;
  const fresh = new Map(pointsOf(prediction, size).map((point) => [point.keypoint, point]));
  const points = instance.points.map((point) =>
    point.source === "model" ? (fresh.get(point.keypoint) ?? point) : point,
  );
  return { ...instance, points };
}

/** The draft with one point put by hand. */
export function withPoint(draft: InstanceDraft, keypoint: string, place: Place | null, visibility: 0 | 1 | 2): InstanceDraft {
  const point: Point = {
    keypoint,
    x: place === null ? null : place.x,
    y: place === null ? null : place.y,
    visibility,
    source: "human",
    score: null,
  };
  const there = draft.points.some((other) => other.keypoint === keypoint);
  const points = there
    ? draft.points.map((other) => (other.keypoint === keypoint ? point : other))
    : [...draft.points, point];
  return { ...draft, points };
}

export function withoutPoint(draft: InstanceDraft, keypoint: string): InstanceDraft {
  return { ...draft, points: draft.points.filter((point) => point.keypoint !== keypoint) };
}

/** Left and right exchanged, of all pairs or of one keypoint's. */
export function swapped(draft: InstanceDraft, category: Category, only: string | null): InstanceDraft {
  const other = new Map<string, string>();
  for (const [a, b] of category.swap ?? []) {
    if (a === undefined || b === undefined || (only !== null && a !== only && b !== only)) continue;
    other.set(a, b);
    other.set(b, a);
  }
  const points = draft.points.map((point) => {
    const to = other.get(point.keypoint);
    return to === undefined ? point : { ...point, keypoint: to, source: "human" as const, score: null };
  });
  return { ...draft, points };
}

function markerOf(index: number, category: Category, point: Point | undefined, seen: Prediction | undefined): Marker {
  const keypoint = category.keypoints[index];
  const name = keypoint?.name || `point ${index + 1}`;
  if (point === undefined) {
    return { index, name, place: null, visibility: "absent", score: null, covariance: null, branches: [] };
  }
  const place = point.x == null || point.y == null ? null : { x: point.x, y: point.y };
  const model = point.source === "model";
  const found = model ? seen?.points.find((other) => other.keypoint === point.keypoint) : undefined;
  const branches = (found?.branches ?? []).map(([x = 0, y = 0]) => ({ x, y }));
  const side = seen ? Math.max(seen.box.width, seen.box.height, 1) : 1;
  return {
    index,
    name,
    place,
    visibility: visibilityName(point.visibility),
    score: model ? (point.score ?? null) : null,
    covariance: found?.covariance ?? null,
    branches: disagreement(branches) > APART * side ? branches : [],
  };
}

/** What the stage draws of an instance; `seen` is what the model said to its present corrections. */
export function figureOf(draft: InstanceDraft, category: Category, title: string, seen: Prediction | undefined): Figure {
  const seats = new Map(category.keypoints.map((keypoint, index) => [keypoint.id, index]));
  const points = new Map(draft.points.map((point) => [point.keypoint, point]));
  const edges = (category.edges ?? []).flatMap(([a, b]) => {
    const [i, j] = [seats.get(a ?? ""), seats.get(b ?? "")];
    return i === undefined || j === undefined ? [] : [[i, j] as const];
  });
  return {
    id: draft.id,
    title,
    markers: category.keypoints.map(({ id }, index) => markerOf(index, category, points.get(id), seen)),
    edges,
    box: boxOf(draft.box),
  };
}

/** The first keypoint that nobody looked at, from a place in the order on; null where all have been. */
export function nextUnplaced(draft: InstanceDraft | null, category: Category, from = 0): number | null {
  const there = new Set(draft?.points.map((point) => point.keypoint));
  const count = category.keypoints.length;
  for (let step = 0; step < count; step += 1) {
    const index = (from + step) % count;
    if (!there.has(category.keypoints[index]?.id ?? "")) return index;
  }
  return null;
}
