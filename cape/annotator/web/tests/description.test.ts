import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { FORMATS } from "../src/dialogs/formats";
import { GROUPS, KEYS } from "../src/ui/hotkeys";

interface Description {
  paths: Record<string, Record<string, { parameters?: { name: string; schema: { enum?: string[] } }[] }>>;
}

describe("what the page says", () => {
  it("offers each format that the server reads", () => {
    const text = readFileSync(new URL("../openapi.json", import.meta.url), "utf8");
    const description = JSON.parse(text) as Description;
    const parameters = description.paths["/api/import"]?.["post"]?.parameters ?? [];
    const read = parameters.find(({ name }) => name === "format")?.schema.enum ?? [];
    expect(FORMATS.map(({ id }) => id).sort()).toEqual([...read].sort());
  });

  it("lists every key in the help, and each key once", () => {
    const listed = GROUPS.flatMap(([, names]) => names);
    expect([...listed].sort()).toEqual(Object.keys(KEYS).sort());
    const keys = Object.values(KEYS).flatMap(({ keys: all }) => all.split(",").filter((key) => key !== ""));
    expect(new Set(keys).size).toBe(keys.length);
  });
});
