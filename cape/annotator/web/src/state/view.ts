/** How the page looks just now: nothing here is stored on the server. */

import { create } from "zustand";

import type { Layers } from "../stage/markers";

export type Dialog = "help" | "export" | "import" | "accept" | "add" | null;
export type Listing = "review" | "all" | "done" | "checks";
export type Theme = "light" | "dark";

export interface Ui {
  readonly screen: "annotate" | "category";
  readonly categoryId: string | null;
  readonly pictureId: string | null;
  /** Instance, or `SUGGESTION`. */
  readonly figureId: string | null;
  /** Index of the keypoint in the category. */
  readonly point: number | null;
  /** Clicks place keypoints. */
  readonly placing: boolean;
  /** The next click places an occluded one. */
  readonly occluded: boolean;
  readonly boxing: boolean;
  readonly listing: Listing;
  readonly threshold: number;
  readonly brightness: number;
  readonly contrast: number;
  readonly layers: Layers;
  readonly hidden: boolean;
  readonly dialog: Dialog;
  readonly theme: Theme;
}

const REMEMBERED = ["listing", "threshold", "layers", "theme", "categoryId"] as const;
const KEY = "cape-annotator";

function remembered(): Partial<Ui> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {};
  }
}

const START: Ui = {
  screen: "annotate",
  categoryId: null,
  pictureId: null,
  figureId: null,
  point: null,
  placing: false,
  occluded: false,
  boxing: false,
  listing: "all",
  threshold: 0.6,
  brightness: 1,
  contrast: 1,
  layers: { rings: true, ellipses: true, branches: true, names: true, edges: true, boxes: true },
  hidden: false,
  dialog: null,
  theme: globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ? "dark" : "light",
};

export const useUi = create<Ui>()(() => ({ ...START, ...remembered() }));

useUi.subscribe((now, before) => {
  if (REMEMBERED.every((key) => now[key] === before[key])) return;
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(REMEMBERED.map((key) => [key, now[key]]))));
  } catch {
    // Full or forbidden: the choice holds until the page is closed.
  }
});

export const setUi = useUi.setState;
export const ui = useUi.getState;

/** Another object, another keypoint: what was begun on the one before is over. */
export function choose(figureId: string | null, point: number | null = null): void {
  setUi({ figureId, point, boxing: false, occluded: false });
}
