import "fake-indexeddb/auto";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Refusal } from "../src/api/client";
import { type Entry, type Listener, Outbox } from "../src/api/outbox";
import type { Change, Operation, Problem } from "../src/api/types";

const change = (base: number): Change => {
  return { change: "delete_instance", base_revision: base, instance_id: "i1" };
};
const entry = (id: string, base = 1) => ({ id, kind: "edit" as const, label: id, changes: [change(base)] });
const operation = (id: string) => ({ id }) as unknown as Operation;
const refusal = (status: number, code: string) =>
  new Refusal(status, { code, message: code, conflicts: [], fields: [] } satisfies Problem, null);

interface Told {
  states: string[];
  done: string[];
  conflicts: string[];
  refused: string[];
}

let number = 0;

function make(send: (entry: Entry) => Promise<Operation>, name: string): { outbox: Outbox; told: Told } {
  const told: Told = { states: [], done: [], conflicts: [], refused: [] };
  const listener: Listener = {
    state: (state, waiting) => told.states.push(`${state} ${waiting}`),
    done: (_operation, { id }) => told.done.push(id),
    conflict: (_problem, { id }) => told.conflicts.push(id),
    refused: (_refusal, { id }) => told.refused.push(id),
  };
  return { outbox: new Outbox(name, send, listener), told };
}

const fresh = () => `outbox-${(number += 1)}`;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

describe("the outbox", () => {
  it("sends in order, one at a time", async () => {
    const sent: string[] = [];
    let flying = 0;
    const { outbox, told } = make(async ({ id }) => {
      flying += 1;
      expect(flying).toBe(1);
      await Promise.resolve();
      sent.push(id);
      flying -= 1;
      return operation(id);
    }, fresh());
    await outbox.open();
    await Promise.all(["a", "b", "c"].map((id) => outbox.add(entry(id))));
    await vi.waitFor(() => expect(told.done).toEqual(["a", "b", "c"]));
    expect(sent).toEqual(["a", "b", "c"]);
    expect(told.states.at(-1)).toBe("saved 0");
  });

  it("keeps 50 edits while the server is away, and sends each once in order", async () => {
    let away = true;
    const arrived: string[] = [];
    const { outbox, told } = make(async ({ id }) => {
      if (away) throw new TypeError("Failed to fetch");
      arrived.push(id);
      return operation(id);
    }, fresh());
    await outbox.open();
    const ids = Array.from({ length: 50 }, (_, index) => `edit-${index}`);
    for (const id of ids) await outbox.add(entry(id));
    expect(told.states.at(-1)).toBe("offline 50");
    away = false;
    await vi.advanceTimersByTimeAsync(10_000);
    outbox.wake();
    await vi.waitFor(() => expect(arrived).toEqual(ids));
    expect(told.states.at(-1)).toBe("saved 0");
  });

  it("sends after the page was closed and opened again", async () => {
    const name = fresh();
    const first = make(() => Promise.reject(new TypeError("Failed to fetch")), name);
    await first.outbox.open();
    await first.outbox.add(entry("a"));
    await first.outbox.add(entry("b", 2));
    first.outbox.close();
    const again = make(async ({ id }) => operation(id), name);
    const left = await again.outbox.open();
    expect(left.map(({ id }) => id)).toEqual(["a", "b"]);
    await vi.waitFor(() => expect(again.told.done).toEqual(["a", "b"]));
  });

  it("stops at a conflict, and goes on with what was decided", async () => {
    const sent: number[] = [];
    const { outbox, told } = make(async ({ id, changes }) => {
      const base = changes[0]?.base_revision ?? 0;
      if (base < 7) throw refusal(409, "conflict");
      sent.push(base);
      return operation(id);
    }, fresh());
    await outbox.open();
    await outbox.add(entry("a", 1));
    await outbox.add(entry("b", 2));
    expect(told.conflicts).toEqual(["a"]);
    expect(told.states.at(-1)).toBe("conflict 2");
    await outbox.resolve((entries) => entries.map((one, index) => ({ ...one, changes: [change(7 + index)] })));
    await vi.waitFor(() => expect(sent).toEqual([7, 8]));
  });

  it("drops what the server will never take, and goes on", async () => {
    const { outbox, told } = make(async ({ id }) => {
      if (id === "bad") throw refusal(422, "invalid");
      return operation(id);
    }, fresh());
    await outbox.open();
    await outbox.add(entry("bad"));
    await outbox.add(entry("good"));
    await vi.waitFor(() => expect(told.done).toEqual(["good"]));
    expect(told.refused).toEqual(["bad"]);
  });

  it("tries again while the server is busy", async () => {
    let tries = 0;
    const { outbox, told } = make(async ({ id }) => {
      tries += 1;
      if (tries < 3) throw refusal(503, "busy");
      return operation(id);
    }, fresh());
    await outbox.open();
    await outbox.add(entry("a"));
    await vi.advanceTimersByTimeAsync(5_000);
    await vi.waitFor(() => expect(told.done).toEqual(["a"]));
  });

  it("takes back only what nobody can have seen", async () => {
    const { outbox } = make(() => Promise.reject(new TypeError("Failed to fetch")), fresh());
    await outbox.open();
    await outbox.add(entry("tried"));
    await outbox.add(entry("untouched", 2));
    expect((await outbox.withdraw())?.id).toBe("untouched");
    expect(await outbox.withdraw()).toBeNull();
    expect([...outbox.subjects()]).toEqual(["instance/i1"]);
  });
});
