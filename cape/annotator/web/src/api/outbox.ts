/**
 * Edits on their way to the server.
 *
 * Each is written to the browser's database before it is sent and leaves it when the server has it on disk, so neither
 * a closed page nor a lost connection loses one. They go in order, one at a time; an operation's id makes sending it
 * twice the same as once.
 */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";

import { subject } from "../state/apply";
import { isPassing, Refusal } from "./client";
import type { Change, Operation, Problem } from "./types";

export interface Entry {
  readonly id: string;
  /** Order of sending. */
  readonly order: number;
  readonly kind: "edit" | "undo" | "redo";
  readonly label: string;
  readonly changes: Change[];
}

export type LinkState = "saved" | "saving" | "offline" | "conflict";

export interface Listener {
  state(state: LinkState, waiting: number): void;
  done(operation: Operation, entry: Entry): void;
  /** The server says that others changed the same; nothing is sent until `resolve`. */
  conflict(problem: Problem, entry: Entry): void;
  /** The server will never take it; it was dropped. */
  refused(refusal: Refusal, entry: Entry): void;
}

interface Stored extends DBSchema {
  entries: { key: string; value: Entry };
}

const PATIENCE = [500, 1000, 2000, 4000, 8000];

export class Outbox {
  private entries: Entry[] = [];
  private database: IDBPDatabase<Stored> | null = null;
  private sending = false;
  private tried = new Set<string>();
  private blocked = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly name: string,
    private readonly send: (entry: Entry) => Promise<Operation>,
    private readonly listener: Listener,
  ) {}

  /** Open the database; returns what an earlier page left unsent, in order. */
  async open(): Promise<readonly Entry[]> {
    try {
      this.database = await openDB<Stored>(this.name, 1, {
        upgrade: (database) => void database.createObjectStore("entries", { keyPath: "id" }),
      });
      const left = await this.database.getAll("entries");
      this.entries = [...left.sort((a, b) => a.order - b.order), ...this.entries];
    } catch {
      // A browser in private mode may refuse; edits are then as safe as the open page.
      this.database = null;
    }
    this.tell();
    void this.pump();
    return this.entries;
  }

  get waiting(): readonly Entry[] {
    return this.entries;
  }

  /** Documents with edits that still wait. */
  subjects(): ReadonlySet<string> {
    return new Set(this.entries.flatMap((entry) => entry.changes.map(subject)));
  }

  async add(entry: Omit<Entry, "order">): Promise<void> {
    const order = Math.max(Date.now(), (this.entries.at(-1)?.order ?? 0) + 1);
    const stored = { ...entry, order };
    this.entries.push(stored);
    this.tell();
    await this.database?.put("entries", stored);
    await this.pump();
  }

  /** Take back the last edit if nobody can have seen it: it was never sent. */
  async withdraw(): Promise<Entry | null> {
    const last = this.entries.at(-1);
    if (last === undefined || last.kind !== "edit" || this.tried.has(last.id)) return null;
    this.entries.pop();
    await this.database?.delete("entries", last.id);
    this.tell();
    return last;
  }

  /** Go on after a conflict: the waiting entries as they shall be sent now. */
  async resolve(change: (entries: readonly Entry[]) => readonly Entry[]): Promise<void> {
    const before = this.entries;
    this.entries = [...change(before)];
    const stay = new Set(this.entries.map((entry) => entry.id));
    for (const entry of before) if (!stay.has(entry.id)) await this.database?.delete("entries", entry.id);
    for (const entry of this.entries) await this.database?.put("entries", entry);
    this.blocked = false;
    this.tell();
    await this.pump();
  }

  /** The connection may be back. */
  wake(): void {
    clearTimeout(this.timer);
    void this.pump();
  }

  close(): void {
    clearTimeout(this.timer);
    this.blocked = true;
    this.database?.close();
  }

  private tell(): void {
    const state = this.blocked
      ? "conflict"
      : this.entries.length === 0
        ? "saved"
        : this.failures > 0
          ? "offline"
          : "saving";
    this.listener.state(state, this.entries.length);
  }

  private async pump(): Promise<void> {
    if (this.sending || this.blocked) return;
    this.sending = true;
    try {
      for (let head = this.entries[0]; head !== undefined && !this.blocked; head = this.entries[0]) {
        if (!(await this.deliver(head))) break;
      }
    } finally {
      this.sending = false;
    }
  }

  /** True where the next may go. */
  private async deliver(entry: Entry): Promise<boolean> {
    this.tried.add(entry.id);
    try {
      const operation = await this.send(entry);
      this.failures = 0;
      await this.drop(entry);
      this.listener.done(operation, entry);
      return true;
    } catch (error) {
      if (isPassing(error)) {
        this.failures += 1;
        const wait = PATIENCE[Math.min(this.failures, PATIENCE.length) - 1] ?? 8000;
        this.timer = setTimeout(() => void this.pump(), wait);
        this.tell();
        return false;
      }
      const refusal = error instanceof Refusal ? error : new Refusal(0, unknownProblem(error), null);
      this.failures = 0;
      if (refusal.problem.code === "conflict" && entry.kind === "edit") {
        this.blocked = true;
        this.tell();
        this.listener.conflict(refusal.problem, entry);
        return false;
      }
      await this.drop(entry);
      this.listener.refused(refusal, entry);
      return true;
    }
  }

  private async drop(entry: Entry): Promise<void> {
    this.entries = this.entries.filter((other) => other.id !== entry.id);
    this.tried.delete(entry.id);
    await this.database?.delete("entries", entry.id);
    this.tell();
  }
}

function unknownProblem(error: unknown): Problem {
  return { code: "unknown", message: String(error), conflicts: [], fields: [] };
}
