import { describe, expect, it } from "vitest";

import { layout } from "../src/category/Diagram";
import {
  draftFrom,
  fault,
  fresh,
  inserted,
  moved,
  paired,
  removed,
  renamed,
  splitNames,
  toggledEdge,
  trimmed,
  unconfirmed,
  unpaired,
} from "../src/category/draft";
import { category, instance } from "./samples";

const draft = draftFrom(category);

describe("the category editor", () => {
  it("adds, renames and moves without touching ids", () => {
    const added = inserted(draft, 0, [fresh("back")]);
    expect(added.keypoints.map(({ name }) => name)).toEqual(["left leg", "back", "right leg", "seat"]);
    expect(renamed(added, "c", "top").keypoints.at(-1)).toEqual({ id: "c", name: "top" });
    expect(moved(draft, 2, 0).keypoints.map(({ id }) => id)).toEqual(["c", "a", "b"]);
    expect(moved(draft, 0, -1)).toBe(draft);
  });

  it("takes a point out with all that refers to it", () => {
    const after = removed({ ...draft, parts: [{ name: "legs", keypoints: ["a", "b"] }] }, "a");
    expect(after.edges).toEqual([["b", "c"]]);
    expect(after.swap).toEqual([]);
    expect(after.parts?.[0]?.keypoints).toEqual(["b"]);
  });

  it("connects and parts again, whichever way round", () => {
    expect(toggledEdge(draft, "c", "a").edges).toEqual([["b", "c"]]);
    expect(toggledEdge(draft, "a", "b").edges).toHaveLength(3);
    expect(toggledEdge(draft, "a", "a")).toBe(draft);
  });

  it("keeps each point in one pair at most", () => {
    expect(paired(draft, ["c", "a"]).swap).toEqual([["c", "a"]]);
    expect(unpaired(draft, ["b", "a"]).swap).toEqual([]);
    expect(unconfirmed(draft, [["a", "b"]])).toEqual([]);
    expect(unconfirmed({ ...draft, swap: [] }, [["a", "b"], ["a", "gone"]])).toEqual([["a", "b"]]);
  });

  it("says what is wrong", () => {
    expect(fault(draft)).toBeNull();
    expect(fault({ ...draft, name: " " })).toMatch(/name/);
    expect(fault({ ...draft, keypoints: [] })).toMatch(/point/);
    expect(fault(renamed(draft, "a", "seat"))).toMatch(/“seat”/);
    expect(trimmed(renamed(draft, "a", "  x ")).keypoints[0]?.name).toBe("x");
  });

  it("takes pasted lists", () => {
    expect(splitNames("nose\nleft eye, right eye;\ttail\n")).toEqual(["nose", "left eye", "right eye", "tail"]);
  });

  it("lays pairs out facing each other, and as in an example where there is one", () => {
    const bare = layout(draft, null);
    expect(bare.get("a")?.y).toBe(bare.get("b")?.y);
    expect((bare.get("a")?.x ?? 0) < (bare.get("b")?.x ?? 0)).toBe(true);
    const points = [0, 1, 2].map((index) => ({
      keypoint: "abc"[index] ?? "",
      x: index * 10,
      y: index * index,
      visibility: 2 as const,
      source: "human" as const,
      score: null,
    }));
    const shown = layout(draft, { ...instance, points });
    expect((shown.get("b")?.x ?? 0) - (shown.get("a")?.x ?? 0)).toBeCloseTo(196, 6);
  });
});
