import { describe, expect, it } from "vitest";

import type { Change } from "../src/api/types";
import { applyChanges, applyNews, type Documents, draftOf, rebase, subject } from "../src/state/apply";
import {
  correctionsKey,
  figureOf,
  following,
  nextUnplaced,
  pointsOf,
  proposed,
  swapped,
  withoutPoint,
  withPoint,
} from "../src/state/pose";
import { isDoubtful, spoken } from "../src/stage/markers";
import { category, draft, human, instance, picture, prediction } from "./samples";

const documents: Documents = {
  categories: { chair: category },
  pictures: { [picture.id]: picture },
  instances: { i1: instance },
};
const put = (base: number, points = draft.points): Change => {
  return { change: "put_instance", base_revision: base, instance: { ...draft, points } };
};

describe("operations on the page", () => {
  it("number revisions ahead, one an operation", () => {
    const after = applyChanges(applyChanges(documents, [put(4)]), [put(5)]);
    expect(after.instances["i1"]?.revision).toBe(6);
    expect(documents.instances["i1"]?.revision).toBe(4);
  });

  it("keep points of retired keypoints that were left out", () => {
    const after = applyChanges(documents, [put(4, [human("b", 5, 5)])]);
    expect(after.instances["i1"]?.points.map(({ keypoint }) => keypoint).sort()).toEqual(["a", "b"]);
  });

  it("move keypoints that are taken out to the retired", () => {
    const { retired: _retired, revision: _revision, deleted: _deleted, ...rest } = category;
    const shorter = { ...rest, keypoints: category.keypoints.slice(1) };
    const after = applyChanges(documents, [{ change: "put_category", base_revision: 3, category: shorter }]);
    expect(after.categories["chair"]?.retired).toEqual([{ id: "a", name: "left leg" }]);
  });

  it("mark what is deleted and set the state of pictures", () => {
    const after = applyChanges(documents, [
      { change: "delete_instance", base_revision: 4, instance_id: "i1" },
      { change: "set_picture", base_revision: 1, picture_id: picture.id, state: "done" },
    ]);
    expect(after.instances["i1"]?.deleted).toBe(true);
    expect(after.pictures[picture.id]).toMatchObject({ state: "done", revision: 2 });
  });

  it("take news except under own waiting edits, and never older ones", () => {
    const news = { instances: [{ ...instance, revision: 9, score: 0.5 }] };
    expect(applyNews(documents, news, new Set()).instances["i1"]?.revision).toBe(9);
    expect(applyNews(documents, news, new Set(["instance/i1"])).instances["i1"]?.revision).toBe(4);
    const old = { instances: [{ ...instance, revision: 2 }] };
    expect(applyNews(documents, old, new Set()).instances["i1"]?.revision).toBe(4);
  });

  it("are put on top of another revision", () => {
    const [change] = rebase([put(4)], new Map([["instance/i1", 11]]));
    expect(change?.base_revision).toBe(11);
    expect(change && subject(change)).toBe("instance/i1");
  });

  it("send nothing that only the server says", () => {
    expect(Object.keys(draftOf(instance)).sort()).toEqual(Object.keys(draft).sort());
  });
});

describe("poses", () => {
  it("are proposed without what is outside or not there", () => {
    const points = pointsOf(prediction, picture);
    expect(points.map(({ visibility }) => visibility)).toEqual([2, 0, 0]);
    expect(points[1]?.x).toBeNull();
    expect(proposed(prediction, "n", picture).box).toBeNull();
    const part = { ...prediction, box: { x: 1, y: 1, width: 5, height: 5 } };
    expect(proposed(part, "n", picture).box).toEqual(part.box);
  });

  it("follow the model except where a hand was", () => {
    const start = withPoint(proposed(prediction, "n", picture), "a", { x: 3, y: 3 }, 2);
    const moved = { ...prediction, points: prediction.points.map((p) => ({ ...p, x: 50, presence: 1 })) };
    const after = following(start, moved, picture);
    expect(after.points.find(({ keypoint }) => keypoint === "a")).toMatchObject({ x: 3, source: "human" });
    expect(after.points.find(({ keypoint }) => keypoint === "b")).toMatchObject({ x: 50, source: "model" });
    expect(following({ ...start, state: "accepted" }, moved, picture).points).toEqual(start.points);
  });

  it("know when what the model said is out of date", () => {
    const start = proposed(prediction, "n", picture);
    const corrected = withPoint(start, "a", { x: 3, y: 3 }, 2);
    expect(correctionsKey(corrected)).not.toBe(correctionsKey(start));
    expect(correctionsKey(following(corrected, prediction, picture))).toBe(correctionsKey(corrected));
  });

  it("tell the next keypoint to place, in order and around the end", () => {
    expect(nextUnplaced(null, category)).toBe(0);
    expect(nextUnplaced(draft, category)).toBe(1);
    const full = withPoint(withPoint(draft, "b", null, 0), "c", { x: 1, y: 1 }, 1);
    expect(nextUnplaced(full, category)).toBeNull();
    expect(nextUnplaced(withoutPoint(full, "a"), category, 2)).toBe(0);
  });

  it("swap sides, of all pairs or of one", () => {
    const both = withPoint(draft, "b", { x: 9, y: 9 }, 1);
    const after = swapped(both, category, null);
    expect(after.points.find(({ keypoint }) => keypoint === "b")).toMatchObject({ x: 1, visibility: 2 });
    expect(after.points.find(({ keypoint }) => keypoint === "a")).toMatchObject({ x: 9, visibility: 1 });
    expect(swapped(both, category, "c").points).toEqual(both.points);
  });

  it("are drawn with doubt from the model and none from a hand", () => {
    const figure = figureOf(proposed(prediction, "n", picture), category, "x", prediction);
    expect(figure.edges).toEqual([
      [0, 2],
      [1, 2],
    ]);
    expect(figure.markers[0]).toMatchObject({ score: 0.7, visibility: "visible" });
    expect(figure.markers[0]?.branches).toHaveLength(2);
    expect(figure.markers[0] && isDoubtful(figure.markers[0], 0.8)).toBe(true);
    const byHand = figureOf(draft, category, "x", prediction).markers[0];
    expect(byHand).toMatchObject({ score: null, covariance: null });
    expect(byHand && spoken(byHand)).toBe("left leg, visible, at 1, 2, placed by a person");
  });
});
