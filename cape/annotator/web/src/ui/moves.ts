/** Moves of the keyboard: along the points, by pixels, and of the placing cursor. */

import { around } from "../geometry/boxes";
import { type Place, pointToCorner, toPoint } from "../geometry/view";
import { stage } from "../stage/Stage";
import type { Layers } from "../stage/markers";
import { choose, setUi, ui, useUi } from "../state/view";
import { category, current, expected, move, objects, place, seatOf } from "../state/work";

const GROW = 0.25;
/** The picture whose object fills the stage. */
let fitted: string | null = null;

export function toggleLayer(name: keyof Layers): void {
  useUi.setState(({ layers }) => ({ layers: { ...layers, [name]: !layers[name] } }));
}

/** Choose a keypoint and bring it into sight. */
export function focusPoint(index: number | null): void {
  setUi({ point: index });
  const keypoint = seatOf(index);
  const found = current()?.draft.points.find((point) => point.keypoint === keypoint);
  if (found?.x != null && found.y != null) stage.camera?.reveal(pointToCorner({ x: found.x, y: found.y }));
  if (ui().placing && found !== undefined) setUi({ placing: false });
}

export function choosePoint(by: 1 | -1): void {
  const count = category()?.keypoints.length ?? 0;
  if (count === 0) return;
  const { point } = ui();
  focusPoint(point === null ? (by === 1 ? 0 : count - 1) : (point + by + count) % count);
}

/** The next point that the model is less sure of than the threshold; from the end the search begins anew. */
export function nextDoubtful(): void {
  const chosen = category();
  const points = current()?.draft.points;
  if (chosen === null || points === undefined) return;
  const { point, threshold } = ui();
  const count = chosen.keypoints.length;
  for (let ahead = 1; ahead <= count; ahead += 1) {
    const index = ((point ?? -1) + ahead) % count;
    const found = points.find(({ keypoint }) => keypoint === chosen.keypoints[index]?.id);
    if (found?.source === "model" && found.visibility > 0 && (found.score ?? 1) < threshold) return focusPoint(index);
  }
}

const WAYS: Record<string, readonly [number, number]> = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
};

/** The chosen point by pixels of the picture; while placing, the cursor by pixels of the screen. */
export function nudge(key: string, by: number): void {
  const [dx, dy] = WAYS[key] ?? [0, 0];
  const { camera } = stage;
  if (camera === null) return;
  if (ui().placing) {
    const middle = toPoint(camera.view, { x: camera.stage.width / 2, y: camera.stage.height / 2 });
    const from = stage.cursor ?? middle;
    const distance = (by === 1 ? 4 : 32) / camera.view.scale;
    setCursor({ x: from.x + dx * distance, y: from.y + dy * distance });
    return;
  }
  const { point } = ui();
  const keypoint = seatOf(point);
  const found = current()?.draft.points.find((one) => one.keypoint === keypoint);
  if (point === null || found?.x == null || found.y == null) {
    camera.pan(-dx * by * 16, -dy * by * 16);
    return;
  }
  move(point, { x: found.x + dx * by, y: found.y + dy * by });
}

const watchers = new Set<(cursor: Place | null) => void>();

/** Told when the placing cursor moves; returns what ends it. */
export function onCursor(watcher: (cursor: Place | null) => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function setCursor(cursor: Place | null): void {
  stage.cursor = cursor;
  if (cursor !== null) stage.camera?.reveal(pointToCorner(cursor));
  for (const watcher of watchers) watcher(cursor);
}

export function placeAtCursor(): void {
  if (stage.cursor === null) nudge("", 0);
  else if (expected() !== null) place(stage.cursor);
}

export function leave(): void {
  setCursor(null);
  setUi({ placing: false, boxing: false, occluded: false, point: null });
}

/** The object fills the stage; the next time the picture does. */
export function fitNext(): void {
  const { camera } = stage;
  if (camera === null) return;
  const draft = current()?.draft;
  const points = (draft?.points ?? []).flatMap(({ x, y }) => (x == null || y == null ? [] : [{ x, y }]));
  const box = around(points, camera.picture, GROW);
  const { pictureId } = ui();
  const again = fitted !== null && fitted === pictureId;
  fitted = again || box === null ? null : pictureId;
  if (again || box === null) camera.fitAll();
  else camera.fitBox(box);
}

/** The next object of the picture. */
export function turnObject(): void {
  const { figureId, pictureId } = ui();
  const there = objects(pictureId);
  const at = there.findIndex((one) => one.id === figureId);
  const next = there[(at + 1) % Math.max(there.length, 1)];
  if (next !== undefined) choose(next.id);
}
