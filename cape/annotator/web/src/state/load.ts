/** Loading: the project, the list in stretches, one picture, the queue, counters, and news as they come. */

import { api, ask, wordsOf } from "../api/client";
import type { Category, Operation, Picture, PictureDetail, Prediction } from "../api/types";
import { applyNews, type Documents } from "./apply";
import { openOutbox, takeNews, waitingSubjects, wake, whenSaved, withWaiting } from "./commit";
import { clientId, type Session, session, setSession } from "./session";
import { setUi, ui } from "./view";

const STRETCH = 200;
const asked = new Set<number>();
let refreshing: ReturnType<typeof setTimeout> | undefined;
let refreshes = 0;

export const predictionKey = (picture: string, category: string): string => `${picture}/${category}`;

export function byId<T extends { id: string }>(items: readonly T[]): Record<string, T> {
  return Object.fromEntries(items.map((item) => [item.id, item]));
}

/** Categories that are there, in the order in which they came. */
export function living(documents: Documents): Category[] {
  return Object.values(documents.categories).filter((category) => !category.deleted);
}

export async function start(): Promise<void> {
  try {
    const project = await ask(api.GET("/api/project", { params: { query: { client: clientId() } } }));
    const documents = { categories: byId(project.categories), pictures: {}, instances: {} };
    setSession({ project, history: project.history, documents });
    await Promise.all([openOutbox(project.name), loadStretch(0)]);
    setSession(({ documents: now }) => ({ documents: withWaiting(now), phase: "ready" }));
    const categories = living(session().documents);
    if (!categories.some(({ id }) => id === ui().categoryId)) setUi({ categoryId: categories[0]?.id ?? null });
    listen(project.seq);
    void refresh();
  } catch (error) {
    setSession({ phase: "failed", failure: wordsOf(error) });
  }
}

/** The stretch of the list that a row is in, once. */
export async function loadStretch(row: number, again = false): Promise<void> {
  const offset = Math.floor(row / STRETCH) * STRETCH;
  if (asked.has(offset) && !again) return;
  asked.add(offset);
  try {
    const query = { offset, limit: STRETCH };
    const page = await ask(api.GET("/api/pictures", { params: { query } }));
    setSession(({ documents, order, counts }) => {
      const longer = Array.from({ length: page.total }, (_, index) => order[index]);
      page.pictures.forEach((picture, index) => {
        longer[offset + index] = picture.id;
      });
      return {
        documents: applyNews(documents, { pictures: page.pictures }, waitingSubjects()),
        order: longer,
        counts: { ...counts, ...page.instances },
      };
    });
  } catch (error) {
    asked.delete(offset);
    throw error;
  }
}

/** Pictures were added: names may have come in between, so all that was loaded is asked for again. */
export async function reloadList(): Promise<void> {
  const offsets = [...asked];
  asked.clear();
  await Promise.all((offsets.length ? offsets : [0]).map((offset) => loadStretch(offset, true)));
}

export async function loadPicture(id: string): Promise<PictureDetail> {
  const detail = await ask(api.GET("/api/pictures/{picture_id}", { params: { path: { picture_id: id } } }));
  setSession(({ documents, predictions }) => {
    const news = { pictures: [detail.picture], instances: detail.instances };
    const found = detail.predictions.map((one) => [predictionKey(one.picture_id, one.category_id), one]);
    return {
      documents: applyNews(documents, news, waitingSubjects()),
      predictions: { ...predictions, ...(Object.fromEntries(found) as Record<string, Prediction>) },
    };
  });
  return detail;
}

/** Queue, checks and counters of the chosen category. */
export async function refresh(): Promise<void> {
  await whenSaved();
  const { categoryId, listing } = ui();
  if (categoryId === null) return;
  const query = { category_id: categoryId };
  refreshes += 1;
  const mine = refreshes;
  // On a busy server an answer may come after that to a later question, and tell of what is no longer so.
  const told = (news: Partial<Session> | ((now: Session) => Partial<Session>)) => {
    if (mine === refreshes) setSession(news);
  };
  const results = await Promise.allSettled([
    ask(api.GET("/api/progress", { params: { query } })).then((progress) => told({ progress })),
    ask(api.GET("/api/queue", { params: { query: { ...query, limit: 200 } } })).then(({ entries, predicted, open }) => {
      told(({ documents }) => ({
        queue: entries,
        queued: { predicted, open },
        documents: applyNews(documents, { pictures: entries.map((entry) => entry.picture) }, waitingSubjects()),
      }));
    }),
    ...(listing === "checks"
      ? [ask(api.GET("/api/checks", { params: { query } })).then((checks) => told({ checks }))]
      : []),
  ]);
  // Counters may wait for the next edit; a page that works is worth more than one that is exact.
  for (const result of results) if (result.status === "rejected") console.warn(wordsOf(result.reason));
}

export function refreshSoon(delay = 600): void {
  clearTimeout(refreshing);
  refreshing = setTimeout(() => void refresh(), delay);
}

function parsed<T>(event: Event): T {
  return JSON.parse((event as MessageEvent<string>).data) as T;
}

/** News as the server tells them; the browser reconnects by itself and names the last operation that it saw. */
function listen(seq: number): void {
  const source = new EventSource(`/api/events?after=${seq}`);
  source.addEventListener("open", () => wake());
  source.addEventListener("operation", (event) => {
    const operation = parsed<Operation>(event);
    if (operation.client !== clientId() || operation.kind !== "edit") takeNews(operation);
    refreshSoon();
  });
  source.addEventListener("prediction", (event) => {
    const news = parsed<{ picture_id: string; category_id: string; confidence: number }>(event);
    // What is on the screen is asked for anew; the others when they are opened.
    if (news.picture_id === ui().pictureId) void loadPicture(news.picture_id).catch(() => undefined);
    refreshSoon(1200);
  });
  source.addEventListener("pictures", (event) => {
    const { added, total, scanning } = parsed<{ added: unknown[]; total: number; scanning: boolean }>(event);
    setSession(({ project }) => ({ project: project && { ...project, scanning } }));
    // Told on listening, too, when nothing may be new.
    if (added.length === 0 && total === session().order.length) return;
    void reloadList().catch(() => undefined);
    refreshSoon();
  });
  source.addEventListener("model", (event) => {
    const model = parsed<NonNullable<ReturnType<typeof session>["project"]>["model"]>(event);
    const wasReady = session().project?.model.state === "ready";
    setSession(({ project }) => ({ project: project && { ...project, model } }));
    if (model.state === "ready" && !wasReady) refreshSoon(0);
  });
  source.addEventListener("resync", () => location.reload());
  window.addEventListener("online", () => wake());
}

/** Neighbours in the list that is on screen. */
export function neighbours(pictures: readonly (string | undefined)[], id: string | null): [string | null, string | null] {
  const at = id === null ? -1 : pictures.indexOf(id);
  if (at < 0) return [null, pictures.find((one): one is string => one !== undefined) ?? null];
  return [pictures[at - 1] ?? null, pictures[at + 1] ?? null];
}

export function pictureOf(id: string | null): Picture | undefined {
  return id === null ? undefined : session().documents.pictures[id];
}
