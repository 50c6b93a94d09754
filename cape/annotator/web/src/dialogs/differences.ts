/** What two versions of a document differ in, in words. */

import type { Category, Point } from "../api/types";

const SAME = 0.01;
const MOST = 6;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

export function ellipsisOf(kind: string): string {
  return { category: "A category", picture: "The state of a picture", instance: "An object" }[kind] ?? kind;
}

export function differs(a: Point | undefined, b: Point | undefined): boolean {
  if (a === undefined || b === undefined) return a !== b;
  if (a.visibility !== b.visibility) return true;
  if (a.x == null || a.y == null || b.x == null || b.y == null) return a.x !== b.x;
  return Math.abs(a.x - b.x) > SAME || Math.abs(a.y - b.y) > SAME;
}

export function changedPoints(mine: readonly Point[], theirs: readonly Point[]): string[] {
  const other = new Map(theirs.map((point) => [point.keypoint, point]));
  const all = new Set([...mine, ...theirs].map((point) => point.keypoint));
  const own = new Map(mine.map((point) => [point.keypoint, point]));
  return [...all].filter((id) => differs(own.get(id), other.get(id)));
}

export function summary(document: unknown, other: unknown, category: Category | undefined): string {
  if (!isRecord(document) || document["deleted"] === true) return "Removed.";
  if (Array.isArray(document["points"])) {
    const theirs = isRecord(other) && Array.isArray(other["points"]) ? (other["points"] as Point[]) : [];
    const changed = changedPoints(document["points"] as Point[], theirs);
    const names = changed.map((id) => category?.keypoints.find((one) => one.id === id)?.name || "a point");
    const more = names.length > MOST ? ` and ${names.length - MOST} more` : "";
    const points = names.length > 0 ? `Differs in ${names.slice(0, MOST).join(", ")}${more}.` : "The points are the same.";
    return `${points} State: ${String(document["state"])}.`;
  }
  if (Array.isArray(document["keypoints"])) {
    const names = (document["keypoints"] as { name: string }[]).map(({ name }) => name || "unnamed");
    return `${String(document["name"])}: ${names.join(", ")}.`;
  }
  return `The picture is ${String(document["state"])}.`;
}
