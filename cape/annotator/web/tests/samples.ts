/** Documents for tests. */

import type { Category, Instance, InstanceDraft, Picture, Point, Prediction } from "../src/api/types";

export const category: Category = {
  id: "chair",
  name: "chair",
  keypoints: [
    { id: "a", name: "left leg" },
    { id: "b", name: "right leg" },
    { id: "c", name: "seat" },
  ],
  edges: [
    ["a", "c"],
    ["b", "c"],
  ],
  swap: [["a", "b"]],
  parts: [],
  retired: [],
  revision: 3,
  deleted: false,
};

export const picture: Picture = {
  id: "0123456789abcdef0123",
  file: "chairs/1.jpg",
  width: 100,
  height: 80,
  state: "open",
  revision: 1,
  deleted: false,
};

export const human = (keypoint: string, x: number, y: number): Point => {
  return { keypoint, x, y, visibility: 2, source: "human", score: null };
};

export const draft: InstanceDraft = {
  id: "i1",
  picture_id: picture.id,
  category_id: category.id,
  points: [human("a", 1, 2)],
  box: null,
  state: "draft",
  shot: false,
  proposed: false,
  score: null,
};

export const instance: Instance = { ...draft, revision: 4, deleted: false, updated: "2026-01-01T00:00:00Z" };

const found = (keypoint: string, x: number, y: number, presence = 0.9) => {
  return {
    keypoint,
    x,
    y,
    score: 0.7,
    presence,
    covariance: [
      [4, 0],
      [0, 4],
    ],
    branches: [
      [x, y],
      [x + 20, y],
    ],
    asked: true,
    fixed: false,
  };
};

export const prediction: Prediction = {
  picture_id: picture.id,
  category_id: category.id,
  category_revision: 3,
  prompted: "both",
  shots: 1,
  points: [found("a", 10, 20), found("b", 30, 20, 0.1), found("c", 500, 20)],
  confidence: 0.6,
  box: { x: 0, y: 0, width: 100, height: 80 },
  reasons: [],
};
