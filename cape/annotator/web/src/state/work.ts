/** What a person does to the open picture. Each is one operation: one step of undo. */

import { api, ask, isPassing, wordsOf } from "../api/client";
import type { Category, Change, Instance, InstanceDraft, Prediction } from "../api/types";
import type { Box, Place } from "../geometry/view";
import { draftOf } from "./apply";
import { commit, whenSaved } from "./commit";
import { predictionKey } from "./load";
import {
  correctionsKey,
  fixedPoints,
  following,
  nextUnplaced,
  proposed,
  SUGGESTION,
  swapped,
  withoutPoint,
  withPoint,
} from "./pose";
import { notify, session, setSession } from "./session";
import { choose, setUi, ui } from "./view";

const PREVIOUS_LABEL = "copy the previous pose";

export function category(): Category | null {
  const { categoryId } = ui();
  const found = categoryId === null ? undefined : session().documents.categories[categoryId];
  return found && !found.deleted ? found : null;
}

/** Objects of the chosen category in a picture that are not deleted or rejected. */
export function objects(picture: string | null): Instance[] {
  const chosen = ui().categoryId;
  return Object.values(session().documents.instances).filter(
    (one) => one.picture_id === picture && one.category_id === chosen && !one.deleted && one.state !== "rejected",
  );
}

/** Poses of which somebody said that the model is wrong. */
export function rejectedIn(picture: string | null): Instance[] {
  const chosen = ui().categoryId;
  return Object.values(session().documents.instances).filter(
    (one) => one.picture_id === picture && one.category_id === chosen && !one.deleted && one.state === "rejected",
  );
}

/** What the model proposes for a picture without an object; names alone are no good first guess unless asked for. */
export function suggestion(picture: string | null): Prediction | null {
  const { categoryId } = ui();
  if (picture === null || categoryId === null || objects(picture).length > 0 || rejectedIn(picture).length > 0) {
    return null;
  }
  const found = session().predictions[predictionKey(picture, categoryId)];
  if (found === undefined || found.category_revision !== category()?.revision) return null;
  return found;
}

/** What the model says to an object's present corrections. */
export function refinedOf(instance: InstanceDraft): Prediction | undefined {
  const kept = session().refined[instance.id];
  return kept !== undefined && kept.key === correctionsKey(instance as Instance) ? kept.prediction : undefined;
}

/** The chosen figure as it is shown, as a draft, with the revision it builds on. */
export function current(): { draft: InstanceDraft; base: number } | null {
  const { figureId, pictureId } = ui();
  if (pictureId === null) return null;
  const size = session().documents.pictures[pictureId];
  const found = objects(pictureId).find((one) => one.id === figureId);
  if (size === undefined) return null;
  if (found !== undefined) return { draft: following(draftOf(found), refinedOf(found), size), base: found.revision };
  const prediction = figureId === SUGGESTION ? suggestion(pictureId) : null;
  return prediction === null ? null : { draft: proposed(prediction, crypto.randomUUID(), size), base: 0 };
}

/** An empty object, where a hand begins one. */
function begun(): { draft: InstanceDraft; base: number } | null {
  const { pictureId, categoryId } = ui();
  if (pictureId === null || categoryId === null) return null;
  const draft: InstanceDraft = {
    id: crypto.randomUUID(),
    picture_id: pictureId,
    category_id: categoryId,
    points: [],
    box: null,
    state: "draft",
    shot: false,
    proposed: false,
    score: null,
  };
  return { draft, base: 0 };
}

function put(draft: InstanceDraft, base: number): Change {
  return { change: "put_instance", base_revision: base, instance: draft };
}

/** Store the chosen figure changed; the model's points follow what a hand corrected. */
function edit(label: string, change: (draft: InstanceDraft) => InstanceDraft, follow = true): void {
  const target = current() ?? begun();
  if (target === null) return;
  const draft = change(target.draft);
  commit(label, [put(draft, target.base)]);
  if (ui().figureId !== draft.id) setUi({ figureId: draft.id });
  if (follow && draft.proposed && draft.state === "draft") void refine(draft.id);
}

let refining: AbortController | null = null;

/** Nobody waits for it any more. */
export function stopRefining(): void {
  refining?.abort();
  refining = null;
}

/** Ask the model where the others are, given what was put by hand. What it says is shown, not stored. */
export async function refine(id: string): Promise<void> {
  const instance = session().documents.instances[id];
  if (instance === undefined || instance.deleted || !instance.points.some(({ source }) => source === "model")) return;
  stopRefining();
  const mine = new AbortController();
  refining = mine;
  const key = correctionsKey(instance);
  setSession({ thinking: "The other points follow…" });
  try {
    await whenSaved();
    if (mine.signal.aborted) return;
    const body = {
      picture_id: instance.picture_id,
      category_id: instance.category_id,
      box: instance.box,
      fixed: fixedPoints(instance.points),
    };
    const prediction = await ask(api.POST("/api/predict", { body, signal: mine.signal }));
    setSession(({ refined }) => ({ refined: { ...refined, [id]: { key, prediction } } }));
  } catch (error) {
    // The correction itself is stored; that the others do not follow is worth no alarm.
    if (!mine.signal.aborted) console.warn(wordsOf(error));
  } finally {
    if (refining === mine) setSession({ thinking: "" });
  }
}

export function seatOf(index: number | null): string | null {
  return index === null ? null : (category()?.keypoints[index]?.id ?? null);
}

function nameOf(index: number): string {
  return category()?.keypoints[index]?.name || `point ${index + 1}`;
}

/** A click on the picture, or the keyboard's: the next keypoint is there. */
export function place(at: Place): void {
  const chosen = category();
  const { occluded, placing } = ui();
  if (chosen === null || !placing) return;
  const index = expected();
  const keypoint = seatOf(index);
  if (index === null || keypoint === null) return;
  edit(`place ${nameOf(index)}`, (draft) => withPoint(draft, keypoint, at, occluded ? 1 : 2));
  advance(index);
}

/** The keypoint that a click would place. */
export function expected(): number | null {
  const chosen = category();
  if (chosen === null) return null;
  const { point } = ui();
  const draft = current()?.draft ?? null;
  if (point !== null && !draft?.points.some(({ keypoint }) => keypoint === seatOf(point))) return point;
  return nextUnplaced(draft, chosen, 0);
}

function advance(from: number): void {
  const chosen = category();
  const next = chosen === null ? null : nextUnplaced(current()?.draft ?? null, chosen, from + 1);
  setUi({ point: next, occluded: false, placing: next !== null });
  if (next === null && chosen !== null) notify("All points are placed. Enter accepts.");
}

export function move(index: number, to: Place): void {
  const keypoint = seatOf(index);
  if (keypoint === null) return;
  edit(`move ${nameOf(index)}`, (draft) => {
    const before = draft.points.find((point) => point.keypoint === keypoint);
    return withPoint(draft, keypoint, to, before?.visibility === 1 ? 1 : 2);
  });
}

/** The picture does not show it. While placing, the next one comes. */
export function markAbsent(): void {
  const { placing } = ui();
  const index = placing ? expected() : ui().point;
  const keypoint = seatOf(index);
  if (index === null || keypoint === null) return;
  edit(`${nameOf(index)} is absent`, (draft) => withPoint(draft, keypoint, null, 0));
  if (placing) advance(index);
}

/** The chosen point becomes occluded, or visible again; while placing it is said of the next one. */
export function toggleOccluded(): void {
  const { placing, point, occluded } = ui();
  if (placing) {
    setUi({ occluded: !occluded });
    return;
  }
  const keypoint = seatOf(point);
  const found = current()?.draft.points.find((one) => one.keypoint === keypoint);
  if (point === null || keypoint === null || found?.x == null || found.y == null) return;
  const at = { x: found.x, y: found.y };
  const visibility = found.visibility === 1 ? 2 : 1;
  edit(`${nameOf(point)} is ${visibility === 1 ? "occluded" : "visible"}`, (draft) =>
    withPoint(draft, keypoint, at, visibility),
  );
}

/** Nobody has looked at it: it is placed anew. */
export function clearPoint(index: number | null): void {
  const keypoint = seatOf(index);
  if (index === null || keypoint === null || current() === null) return;
  edit(`clear ${nameOf(index)}`, (draft) => withoutPoint(draft, keypoint), false);
  setUi({ placing: true, point: index });
}

/** Back to the keypoint before: it is placed anew. */
export function stepBack(): void {
  const chosen = category();
  const draft = current()?.draft;
  if (chosen === null || draft === undefined) return;
  const there = new Set(draft.points.map((point) => point.keypoint));
  const from = expected() ?? chosen.keypoints.length;
  for (let index = from - 1; index >= 0; index -= 1) {
    if (there.has(chosen.keypoints[index]?.id ?? "")) return clearPoint(index);
  }
}

export function setBox(box: Box | null): void {
  const stored = box && { x: box[0], y: box[1], width: box[2], height: box[3] };
  edit(box ? "draw the box" : "remove the box", (draft) => ({ ...draft, box: stored }));
  setUi({ boxing: false });
}

export function swapSides(): void {
  const chosen = category();
  if (chosen === null || current() === null) return;
  if ((chosen.swap ?? []).length === 0) notify("This category has no left and right pairs yet.");
  else edit("swap left and right", (draft) => swapped(draft, chosen, seatOf(ui().point)), false);
}

/** The pose of the picture worked on before, in the place of what is here. */
export function copyPose(from: Instance): void {
  const points = from.points.map((point) => ({ ...point, source: "human" as const, score: null }));
  edit(PREVIOUS_LABEL, (draft) => ({ ...draft, points, box: from.box, proposed: false }), false);
  setUi({ placing: false });
}

export function newObject(): void {
  const target = begun();
  if (target === null) return;
  choose(target.draft.id, 0);
  setUi({ placing: true });
}

export function removeObject(): void {
  const { figureId } = ui();
  const instance = figureId === null ? undefined : session().documents.instances[figureId];
  if (instance === undefined) return;
  commit("remove the object", [
    { change: "delete_instance", base_revision: instance.revision, instance_id: instance.id },
  ]);
  choose(objects(instance.picture_id)[0]?.id ?? null);
}

/** True where it is worth showing the error to a person. */
export function tell(error: unknown): void {
  if (!(error instanceof DOMException) || isPassing(error)) notify(wordsOf(error), "error");
}
