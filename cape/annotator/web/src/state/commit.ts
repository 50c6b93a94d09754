/** Edits: shown at once, sent in order, undone through the server's log. */

import { api, ask, wordsOf } from "../api/client";
import { type Entry, Outbox } from "../api/outbox";
import type { Change, Operation } from "../api/types";
import { applyChanges, applyNews, type Documents, rebase, subject } from "./apply";
import { clientId, notify, session, setSession, useSession } from "./session";

let outbox: Outbox | null = null;
/** The documents before each edit that was not sent yet, to take it back without the server. */
const before = new Map<string, Documents>();
/** Edits taken back before they were sent, for redo. */
let withdrawn: Entry[] = [];
async function deliver(entry: Entry): Promise<Operation> {
  const client = clientId();
  const step = { body: { id: entry.id, client } };
  if (entry.kind === "undo") return ask(api.POST("/api/undo", step));
  if (entry.kind === "redo") return ask(api.POST("/api/redo", step));
  const { id, label, changes } = entry;
  return ask(api.POST("/api/operations", { body: { id, client, label, changes } }));
}

export async function openOutbox(project: string): Promise<void> {
  outbox = new Outbox(`cape-outbox-${project}`, deliver, {
    state: (link, waiting) => setSession({ link, waiting }),
    done: (operation, entry) => {
      before.delete(entry.id);
      takeNews(operation);
      if (outbox?.waiting.length === 0) setSession({ history: operation.history });
    },
    conflict: (problem) => setSession({ conflicts: problem.conflicts ?? [] }),
    refused: (refusal, entry) => {
      const earlier = before.get(entry.id);
      before.delete(entry.id);
      // Nothing to undo is no error; anything else was shown as done and is not.
      if (earlier !== undefined) restore(entry, earlier);
      notify(entry.kind === "edit" ? `Not saved: ${refusal.message}` : refusal.message, "error");
    },
  });
  const left = await outbox.open();
  for (const entry of left) setSession(({ documents }) => ({ documents: applyChanges(documents, entry.changes) }));
}

/** When all edits are on the server's disk; later requests may then name what they made. */
export async function whenSaved(): Promise<void> {
  if (session().link === "saved") return;
  await new Promise<void>((resolve) => {
    const stop = useSession.subscribe(({ link }) => {
      if (link !== "saved") return;
      stop();
      resolve();
    });
  });
}

export function wake(): void {
  outbox?.wake();
}

/** Edits that wait, on top of documents that were just loaded. */
export function withWaiting(documents: Documents): Documents {
  return (outbox?.waiting ?? []).reduce((sum, entry) => applyChanges(sum, entry.changes), documents);
}

export function waitingSubjects(): ReadonlySet<string> {
  return outbox?.subjects() ?? new Set();
}

export function takeNews(operation: Pick<Operation, "changed">): void {
  setSession(({ documents }) => ({ documents: applyNews(documents, operation.changed, waitingSubjects()) }));
}

/** One edit: all of its changes are done and undone together. */
export function commit(label: string, changes: Change[]): void {
  if (changes.length === 0) return;
  const id = crypto.randomUUID();
  withdrawn = [];
  const { documents } = session();
  before.set(id, documents);
  setSession({ documents: applyChanges(documents, changes), history: { undo: label, redo: null } });
  void outbox?.add({ id, kind: "edit", label, changes });
}

function restore(entry: Entry, earlier: Documents): void {
  setSession(({ documents }) => {
    let { instances, pictures, categories } = documents;
    for (const change of entry.changes) {
      const [kind, id = ""] = subject(change).split("/");
      if (kind === "instance") instances = put(instances, id, earlier.instances[id]);
      else if (kind === "picture") pictures = put(pictures, id, earlier.pictures[id]);
      else categories = put(categories, id, earlier.categories[id]);
    }
    return { documents: { instances, pictures, categories } };
  });
}

function put<T>(into: Readonly<Record<string, T>>, id: string, value: T | undefined): Readonly<Record<string, T>> {
  const { [id]: _gone, ...rest } = into;
  return value === undefined ? rest : { ...rest, [id]: value };
}

export async function undo(): Promise<void> {
  const taken = await outbox?.withdraw();
  if (taken) {
    withdrawn.push(taken);
    const earlier = before.get(taken.id);
    if (earlier !== undefined) restore(taken, earlier);
    before.delete(taken.id);
    setSession({ history: { undo: outbox?.waiting.at(-1)?.label ?? "the last edit", redo: taken.label } });
    return;
  }
  if (session().history.undo === null) {
    notify("There is nothing to undo.");
    return;
  }
  // The server may have what was sent last, although its answer was lost: only it can tell what there is to undo.
  if (session().link === "offline") notify("This is undone as soon as the server is back.");
  void outbox?.add({ id: crypto.randomUUID(), kind: "undo", label: "undo", changes: [] });
}

export function redo(): void {
  const again = withdrawn.pop();
  if (again !== undefined) {
    const rest = withdrawn;
    commit(again.label, again.changes);
    withdrawn = rest;
  } else if (session().history.redo === null) notify("There is nothing to do again.");
  else void outbox?.add({ id: crypto.randomUUID(), kind: "redo", label: "redo", changes: [] });
}

/** The end of a conflict: one's own version on top of the server's, or the server's and the own edits of it dropped. */
export async function resolveConflict(keep: "mine" | "theirs"): Promise<void> {
  const { conflicts } = session();
  const theirs = new Map(conflicts.map(({ kind, id, current }) => [`${kind}/${id}`, current?.revision ?? 0]));
  const changed = { categories: [], pictures: [], instances: [] } as Required<Operation["changed"]>;
  for (const { kind, current } of conflicts) {
    if (current == null) continue;
    const list = { category: changed.categories, picture: changed.pictures, instance: changed.instances }[kind];
    (list as (typeof current)[]).push(current);
  }
  setSession({ conflicts: [] });
  await outbox?.resolve((entries) => (keep === "mine" ? mine(entries, theirs) : without(entries, theirs)));
  if (keep === "theirs") {
    setSession(({ documents }) => {
      const plain = { ...documents, instances: forget(documents.instances, conflicts.map(({ id }) => id)) };
      return { documents: applyNews(plain, changed, new Set()) };
    });
  }
}

function forget<T>(into: Readonly<Record<string, T>>, ids: readonly string[]): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(into).filter(([id]) => !ids.includes(id)));
}

function mine(entries: readonly Entry[], theirs: ReadonlyMap<string, number>): Entry[] {
  const revisions = new Map(theirs);
  return entries.map((entry, index) => {
    const changes = rebase(entry.changes, revisions);
    for (const change of changes) {
      if (revisions.has(subject(change))) revisions.set(subject(change), change.base_revision + 1);
    }
    // The refused one is another operation now: an id stands for one content.
    return { ...entry, changes, id: index === 0 ? crypto.randomUUID() : entry.id };
  });
}

function without(entries: readonly Entry[], theirs: ReadonlyMap<string, number>): Entry[] {
  return entries.flatMap((entry) => {
    const changes = entry.changes.filter((change) => !theirs.has(subject(change)));
    if (entry.kind === "edit" && changes.length === 0) return [];
    return [changes.length === entry.changes.length ? entry : { ...entry, changes, id: crypto.randomUUID() }];
  });
}

/** A request beside the outbox whose failure is only told. */
export async function attempt<T>(what: Promise<T>): Promise<T | null> {
  try {
    return await what;
  } catch (error) {
    notify(wordsOf(error), "error");
    return null;
  }
}
