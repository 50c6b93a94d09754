/** What the page knows of the project: the server's documents with the page's own waiting edits on top. */

import { create } from "zustand";

import type { LinkState } from "../api/outbox";
import type { Check, Conflict, History, Prediction, Progress, Project, QueueEntry } from "../api/types";
import { type Documents, NOTHING } from "./apply";

export interface Notice {
  readonly id: number;
  readonly kind: "plain" | "error";
  readonly words: string;
}

export interface Session {
  readonly phase: "loading" | "ready" | "failed";
  readonly failure: string;
  readonly project: Project | null;
  readonly documents: Documents;
  /** Ids in the order of the list; holes have not been asked for yet. */
  readonly order: readonly (string | undefined)[];
  readonly counts: Readonly<Record<string, number>>;
  /** By "picture/category": poses that nobody took up yet. */
  readonly predictions: Readonly<Record<string, Prediction>>;
  /** By instance: what the model says to the corrections in `key`. */
  readonly refined: Readonly<Record<string, { key: string; prediction: Prediction }>>;
  readonly queue: readonly QueueEntry[];
  readonly queued: { predicted: number; open: number };
  readonly checks: readonly Check[];
  readonly progress: Progress | null;
  readonly history: History;
  readonly link: LinkState;
  readonly waiting: number;
  readonly conflicts: readonly Conflict[];
  readonly notices: readonly Notice[];
  /** What the model is busy with for this page, in words; "" where with nothing. */
  readonly thinking: string;
}

export const useSession = create<Session>()(() => ({
  phase: "loading",
  failure: "",
  project: null,
  documents: NOTHING,
  order: [],
  counts: {},
  predictions: {},
  refined: {},
  queue: [],
  queued: { predicted: 0, open: 0 },
  checks: [],
  progress: null,
  history: { undo: null, redo: null },
  link: "saved",
  waiting: 0,
  conflicts: [],
  notices: [],
  thinking: "",
}));

export const setSession = useSession.setState;
export const session = useSession.getState;

const KEY = "cape-client";

/** One id a browser, kept over restarts: whose undo history it is. */
export function clientId(): string {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept !== null && /^[A-Za-z0-9_-]{1,40}$/.test(kept)) return kept;
    const fresh = crypto.randomUUID();
    localStorage.setItem(KEY, fresh);
    return fresh;
  } catch {
    return TEMPORARY;
  }
}
const TEMPORARY = crypto.randomUUID();

let notices = 0;

export function notify(words: string, kind: Notice["kind"] = "plain"): void {
  notices += 1;
  const notice = { id: notices, kind, words };
  setSession(({ notices: there }) => ({ notices: [...there.slice(-3), notice] }));
  setTimeout(() => dismiss(notice.id), kind === "error" ? 12_000 : 5_000);
}

export function dismiss(id: number): void {
  setSession(({ notices: there }) => ({ notices: there.filter((notice) => notice.id !== id) }));
}
