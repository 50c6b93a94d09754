/** From picture to picture: open, let the model propose, accept, reject, teach. */

import { api, ask, isPassing, Refusal } from "../api/client";
import type { Change, Instance, Prediction, ShotCheck } from "../api/types";
import { draftOf } from "./apply";
import { attempt, commit, takeNews, whenSaved } from "./commit";
import { loadPicture, loadStretch, neighbours, predictionKey, refreshSoon } from "./load";
import { following, nextUnplaced, proposed, SUGGESTION } from "./pose";
import { clientId, notify, session, setSession } from "./session";
import { choose, setUi, ui } from "./view";
import { category, copyPose, current, objects, refine, refinedOf, rejectedIn, stopRefining, suggestion, tell } from "./work";

const AHEAD = 6;
const BUSY_WAIT = 1500;
const LEARNT_WAIT = 1500;
const MOST_OBJECTS = 8;
let asking: AbortController | null = null;
let acceptedLast: Instance | null = null;

/** The pose accepted last, or of the nearest finished picture before this one, in the place of what is here. */
export async function copyPrevious(): Promise<void> {
  const { categoryId, pictureId } = ui();
  const fits = (one: Instance | null | undefined): one is Instance =>
    one?.category_id === categoryId && one?.state === "accepted" && !one.deleted && one.picture_id !== pictureId;
  let from: Instance | undefined = fits(acceptedLast) ? acceptedLast : undefined;
  if (from === undefined) {
    const { order, documents } = session();
    const at = pictureId === null ? 0 : order.indexOf(pictureId);
    const done = order.slice(0, at).findLast((id) => id !== undefined && documents.pictures[id]?.state === "done");
    const detail = done === undefined ? null : await attempt(loadPicture(done));
    from = detail?.instances.find(fits);
  }
  if (ui().pictureId !== pictureId) return;
  if (from === undefined) notify("There is no accepted pose before this one.");
  else copyPose(from);
}

/** Pictures of the list on screen, in its order. */
export function listed(): readonly (string | undefined)[] {
  const { listing } = ui();
  const { order, queue, checks, documents } = session();
  if (listing === "review") return queue.map((entry) => entry.picture.id);
  if (listing === "checks") return [...new Set(checks.map((check) => check.picture_id))];
  if (listing === "done") return order.filter((id) => id !== undefined && documents.pictures[id]?.state === "done");
  return order;
}

export async function openPicture(id: string | null): Promise<void> {
  if (id === null) return;
  asking?.abort();
  stopRefining();
  // What was said of the picture before is of no use on the next one; errors stay.
  const moved = id !== ui().pictureId;
  setSession(({ notices }) => ({ thinking: "", notices: notices.filter(({ kind }) => !moved || kind === "error") }));
  setUi({ pictureId: id, figureId: null, point: null, placing: false, boxing: false, occluded: false });
  history.replaceState(null, "", `#${id}`);
  try {
    await loadPicture(id);
  } catch (error) {
    if (session().documents.pictures[id] === undefined || !isPassing(error)) tell(error);
  }
  if (ui().pictureId !== id) return;
  settle();
  await Promise.all([propose(false), lookAhead(id)]);
}

/** Choose what there is to work on: an object, a suggestion, or the first keypoint to place. */
export function settle(): void {
  const { pictureId, figureId } = ui();
  const chosen = category();
  if (pictureId === null || chosen === null) return;
  const there = objects(pictureId);
  const kept = there.find((one) => one.id === figureId) ?? there[0];
  if (kept !== undefined) {
    if (figureId !== kept.id) choose(kept.id);
    const next = kept.proposed ? null : nextUnplaced(kept, chosen);
    if (kept.state === "draft" && next !== null) setUi({ placing: true, point: next });
    if (kept.state === "draft" && kept.proposed && refinedOf(kept) === undefined) void refine(kept.id);
    return;
  }
  if (suggestion(pictureId) !== null && isUseful()) choose(SUGGESTION);
  else setUi({ figureId: null, placing: true, point: chosen.keypoints.length > 0 ? 0 : null });
}

/** Names alone say too little to begin with: the first pose of a category is put by hand, unless asked for. */
function isUseful(): boolean {
  const found = suggestion(ui().pictureId);
  return found !== null && (found.shots > 0 || ui().figureId === SUGGESTION);
}

/** Ask the model for this picture's pose. */
export async function propose(wanted: boolean): Promise<void> {
  const { pictureId, categoryId } = ui();
  const chosen = category();
  if (pictureId === null || categoryId === null || chosen === null || chosen.keypoints.length === 0) return;
  if (objects(pictureId).length > 0 || session().project?.model.state !== "ready") {
    if (wanted) notify("The model proposes where nothing has been placed yet.");
    return;
  }
  if (wanted) restoreRejected(pictureId);
  else if (rejectedIn(pictureId).length > 0) return;
  const there = suggestion(pictureId);
  if (there !== null && (there.shots > 0 || !hasExample())) {
    take(pictureId, there, wanted);
    return;
  }
  const mine = new AbortController();
  asking = mine;
  setSession({ thinking: "Looking for the points…" });
  try {
    await whenSaved();
    if (mine.signal.aborted) return;
    const body = { picture_id: pictureId, category_id: categoryId, fixed: [] };
    const found = await patiently(() => ask(api.POST("/api/predict", { body, signal: mine.signal })), mine.signal);
    const key = predictionKey(pictureId, categoryId);
    setSession(({ predictions }) => ({ predictions: { ...predictions, [key]: found } }));
    take(pictureId, found, wanted);
  } catch (error) {
    const expected = error instanceof Refusal && error.problem.code === "no_prompt";
    if (!mine.signal.aborted && (wanted || !expected)) tell(error);
  } finally {
    if (asking === mine) setSession({ thinking: "" });
  }
}

/** The model's pose is on the screen where nothing else was begun. */
function take(pictureId: string, found: Prediction, wanted: boolean): void {
  const isUntouched = ui().pictureId === pictureId && ui().figureId === null;
  if (!isUntouched || !(wanted || found.shots > 0)) return;
  choose(SUGGESTION);
  setUi({ placing: false });
}

/** Asked for again, what was put aside is no longer. */
function restoreRejected(picture: string): void {
  const changes = rejectedIn(picture).map(({ id, revision }): Change => {
    return { change: "delete_instance", base_revision: revision, instance_id: id };
  });
  commit("ask the model again", changes);
}

/** Several objects: what the model finds becomes drafts, to be corrected, removed or accepted. */
export async function findAll(): Promise<void> {
  const { pictureId, categoryId } = ui();
  if (pictureId === null || categoryId === null) return;
  if (objects(pictureId).length > 0) {
    notify("The model looks for several objects where there is none yet.");
    return;
  }
  setSession({ thinking: "Looking for several objects…" });
  const body = { picture_id: pictureId, category_id: categoryId, most: MOST_OBJECTS };
  const found = await attempt(whenSaved().then(() => ask(api.POST("/api/search", { body }))));
  setSession({ thinking: "" });
  if (found === null || objects(pictureId).length > 0) return;
  const picture = session().documents.pictures[pictureId];
  if (picture === undefined) return;
  const changes = found.map((prediction): Change => {
    return { change: "put_instance", base_revision: 0, instance: proposed(prediction, crypto.randomUUID(), picture) };
  });
  commit("find several objects", changes);
  if (changes.length === 0) notify("The model finds no object here.");
  setUi({ figureId: null, placing: false });
  settle();
}

/** Again when the server is busy, as it says; twice at most. */
async function patiently<T>(what: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await what();
    } catch (error) {
      const busy = error instanceof Refusal && error.status === 503;
      if (!busy || tries >= 2 || signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, (error.retryAfter ?? 0) * 1000 || BUSY_WAIT));
    }
  }
}

/** The next pictures are predicted while this one is looked at. */
async function lookAhead(id: string): Promise<void> {
  await whenSaved();
  const { categoryId, pictureId } = ui();
  if (pictureId !== id) return;
  const row = session().order.indexOf(id);
  if (row >= 0) void loadStretch(row + AHEAD).catch(() => undefined);
  const list = listed();
  const at = list.indexOf(id);
  const next = list.slice(at + 1, at + 1 + AHEAD).filter((one): one is string => one !== undefined);
  if (categoryId === null || next.length === 0) return;
  const body = { client: clientId(), category_id: categoryId, picture_ids: next };
  await ask(api.POST("/api/prefetch", { body })).catch(() => undefined);
}

export async function step(by: 1 | -1): Promise<void> {
  const [previous, next] = neighbours(listed(), ui().pictureId);
  await openPicture(by === 1 ? next : previous);
}

/** The next picture that is not done: down the list, then from its top. */
function nextOpen(after: string): string | null {
  const { documents, queue } = session();
  const open = (id: string | undefined): id is string =>
    id !== undefined && id !== after && (documents.pictures[id]?.state ?? "open") === "open";
  if (ui().listing === "review") return queue.map((entry) => entry.picture.id).find(open) ?? null;
  const { order } = session();
  const at = order.indexOf(after);
  return [...order.slice(at + 1), ...order.slice(0, Math.max(at, 0))].find(open) ?? null;
}

/** All objects of the picture as they are shown become labels; the picture is done. */
export async function accept(): Promise<void> {
  const { pictureId } = ui();
  const picture = pictureId === null ? undefined : session().documents.pictures[pictureId];
  if (picture === undefined) return;
  const changes: Change[] = objects(picture.id).map((one) => ({
    change: "put_instance",
    base_revision: one.revision,
    instance: { ...following(draftOf(one), refinedOf(one), picture), state: "accepted" },
  }));
  const found = suggestion(picture.id);
  if (found !== null && ui().figureId === SUGGESTION) {
    const draft = proposed(found, crypto.randomUUID(), picture);
    changes.push({ change: "put_instance", base_revision: 0, instance: { ...draft, state: "accepted" } });
  }
  if (changes.length === 0) {
    notify("There is nothing to accept here: place the points, or skip the picture.");
    return;
  }
  const first = changes[0];
  const isFirst = !hasExample();
  changes.push({ change: "set_picture", base_revision: picture.revision, picture_id: picture.id, state: "done" });
  commit("accept", changes);
  if (first?.change === "put_instance") {
    acceptedLast = session().documents.instances[first.instance.id] ?? null;
  }
  if (isFirst) await learnt();
  await openPicture(nextOpen(picture.id));
}

/** From the first accepted pose on the model has something to go by: what it said before is out of date. */
async function learnt(): Promise<void> {
  setSession({ predictions: {}, refined: {} });
  await Promise.race([whenSaved(), new Promise((resolve) => setTimeout(resolve, LEARNT_WAIT))]);
}

/** True where the category has an accepted object, which the model is shown. */
export function hasExample(): boolean {
  const chosen = ui().categoryId;
  return (
    (session().progress?.accepted ?? 0) > 0 ||
    Object.values(session().documents.instances).some(
      (one) => one.category_id === chosen && !one.deleted && one.state === "accepted",
    )
  );
}

/** Show the model an accepted object, too, if leaving one out says that it helps. */
export async function teach(id: string): Promise<ShotCheck | null> {
  const chosen = ui().categoryId;
  if (chosen === null) return null;
  const body = { id: crypto.randomUUID(), client: clientId(), instance_id: id, force: false };
  const path = { category_id: chosen };
  const check = await attempt(ask(api.POST("/api/categories/{category_id}/shots", { params: { path }, body })));
  if (check === null) return null;
  if (check.operation) takeNews(check.operation);
  notify(check.words);
  // What was predicted before is out of date.
  setSession({ predictions: {}, refined: {} });
  const { pictureId, figureId } = ui();
  if (check.added && pictureId !== null && (figureId === null || figureId === SUGGESTION)) {
    setUi({ figureId: null });
    void propose(false);
    void lookAhead(pictureId);
  }
  refreshSoon();
  return check;
}

/** The model is wrong here: its pose is put aside and the points are placed by hand. */
export function reject(): void {
  const target = current();
  if (target === null) return;
  const draft = { ...target.draft, state: "rejected" as const };
  commit("reject", [{ change: "put_instance", base_revision: target.base, instance: draft }]);
  choose(null);
  settle();
}

/** Nothing of use on this picture, or back to work on it. */
export async function setPictureState(state: "open" | "done" | "skipped"): Promise<void> {
  const { pictureId } = ui();
  const picture = pictureId === null ? undefined : session().documents.pictures[pictureId];
  if (picture === undefined) return;
  const label = { open: "open the picture again", done: "the picture is done", skipped: "skip the picture" }[state];
  commit(label, [{ change: "set_picture", base_revision: picture.revision, picture_id: picture.id, state }]);
  if (state === "skipped") await openPicture(nextOpen(picture.id));
}

/** All predictions that are sure enough, as one operation. */
export async function acceptAbove(least: number): Promise<boolean> {
  const { categoryId } = ui();
  if (categoryId === null) return false;
  const body = { id: crypto.randomUUID(), client: clientId(), category_id: categoryId, least };
  const operation = await attempt(ask(api.POST("/api/accept", { body })));
  if (operation === null) return false;
  takeNews(operation);
  setSession({ history: operation.history });
  notify(`${(operation.changed.instances ?? []).length} poses accepted.`);
  refreshSoon(0);
  void openPicture(ui().pictureId);
  return true;
}
