/** A category while it is edited: pure functions. */

import type { Category, CategoryDraft, Keypoint } from "../api/types";

type Pair = readonly [string, string];

export function blank(): CategoryDraft {
  return { id: crypto.randomUUID(), name: "", keypoints: [], edges: [], swap: [], parts: [] };
}

export function draftFrom(category: Category): CategoryDraft {
  const { id, name, keypoints, edges, swap, parts } = category;
  return { id, name, keypoints, edges, swap, parts };
}

export function fresh(name = ""): Keypoint {
  return { id: crypto.randomUUID(), name };
}

/** New points after a place in the order; -1 puts them first. */
export function inserted(draft: CategoryDraft, after: number, points: readonly Keypoint[]): CategoryDraft {
  const keypoints = [...draft.keypoints];
  keypoints.splice(after + 1, 0, ...points);
  return { ...draft, keypoints };
}

export function renamed(draft: CategoryDraft, id: string, name: string): CategoryDraft {
  return { ...draft, keypoints: draft.keypoints.map((point) => (point.id === id ? { ...point, name } : point)) };
}

/** Several names at once, pasted from a table or a text. */
export function splitNames(text: string): string[] {
  return text
    .split(/[\n\r\t;,]+/)
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

export function moved(draft: CategoryDraft, from: number, to: number): CategoryDraft {
  const keypoints = [...draft.keypoints];
  const [taken] = keypoints.splice(from, 1);
  if (taken === undefined || to < 0 || to > keypoints.length) return draft;
  keypoints.splice(to, 0, taken);
  return { ...draft, keypoints };
}

/** Out of the category with all that refers to it. */
export function removed(draft: CategoryDraft, id: string): CategoryDraft {
  const without = (pairs: readonly string[][] | undefined) => (pairs ?? []).filter((pair) => !pair.includes(id));
  return {
    ...draft,
    keypoints: draft.keypoints.filter((point) => point.id !== id),
    edges: without(draft.edges),
    swap: without(draft.swap),
    parts: (draft.parts ?? []).map((part) => ({ ...part, keypoints: part.keypoints.filter((one) => one !== id) })),
  };
}

export function isPair(pair: readonly string[], a: string, b: string): boolean {
  return (pair[0] === a && pair[1] === b) || (pair[0] === b && pair[1] === a);
}

/** There if it was not, gone if it was. */
export function toggledEdge(draft: CategoryDraft, a: string, b: string): CategoryDraft {
  if (a === b) return draft;
  const edges = draft.edges ?? [];
  const rest = edges.filter((edge) => !isPair(edge, a, b));
  return { ...draft, edges: rest.length < edges.length ? rest : [...edges, [a, b]] };
}

/** Each point has one counterpart at most: an older pair of either goes. */
export function paired(draft: CategoryDraft, [a, b]: Pair): CategoryDraft {
  if (a === b) return draft;
  const swap = (draft.swap ?? []).filter((pair) => !pair.includes(a) && !pair.includes(b));
  return { ...draft, swap: [...swap, [a, b]] };
}

export function unpaired(draft: CategoryDraft, [a, b]: Pair): CategoryDraft {
  return { ...draft, swap: (draft.swap ?? []).filter((pair) => !isPair(pair, a, b)) };
}

/** Inferred pairs that nobody confirmed yet and that contradict none that is. */
export function unconfirmed(draft: CategoryDraft, inferred: readonly string[][]): Pair[] {
  const seated = new Set((draft.swap ?? []).flat());
  const there = new Set(draft.keypoints.map(({ id }) => id));
  return inferred.flatMap(([a, b]) =>
    a === undefined || b === undefined || seated.has(a) || seated.has(b) || !there.has(a) || !there.has(b)
      ? []
      : [[a, b] as const],
  );
}

/** What keeps it from being saved, in words; null where nothing does. */
export function fault(draft: CategoryDraft): string | null {
  if (draft.name.trim() === "") return "Give the category a name.";
  if (draft.keypoints.length === 0) return "Add at least one point.";
  const names = draft.keypoints.map(({ name }) => name.trim()).filter((name) => name !== "");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `Two points are called “${twice}”. Tell them apart, by side or by order.`;
  const empty = (draft.parts ?? []).find((part) => part.name.trim() === "");
  return empty === undefined ? null : "Give each part a name.";
}

/** As it is saved: without blanks around names. */
export function trimmed(draft: CategoryDraft): CategoryDraft {
  return {
    ...draft,
    name: draft.name.trim(),
    keypoints: draft.keypoints.map((point) => ({ ...point, name: (point.name ?? "").trim() })),
    parts: (draft.parts ?? []).map((part) => ({ ...part, name: part.name.trim() })),
  };
}
