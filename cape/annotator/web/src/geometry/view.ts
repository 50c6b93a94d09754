/**
 * The viewport: how the picture lies on the screen.
 *
 * Two frames of the picture exist. In the *corner* frame its upper left corner is 0, 0 (boxes). In the *point* frame the
 * centre of its first pixel is 0, 0 (keypoints, as in COCO): half a pixel less.
 */

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** x, y, width, height in the corner frame, pixels of the picture. */
export type Box = readonly [number, number, number, number];

/** screen = scale * corner + (x, y), in CSS pixels from the upper left corner of the stage. */
export interface View extends Place {
  readonly scale: number;
}

export const LARGEST_SCALE = 64;
const HALF = 0.5;

export function toScreen(view: View, corner: Place): Place {
  return { x: corner.x * view.scale + view.x, y: corner.y * view.scale + view.y };
}

export function toCorner(view: View, screen: Place): Place {
  return { x: (screen.x - view.x) / view.scale, y: (screen.y - view.y) / view.scale };
}

/** Where the pointer is in the frame of keypoints. */
export function toPoint(view: View, screen: Place): Place {
  const corner = toCorner(view, screen);
  return { x: corner.x - HALF, y: corner.y - HALF };
}

export function pointToCorner(point: Place): Place {
  return { x: point.x + HALF, y: point.y + HALF };
}

/** No smaller than the picture at an eighth of the stage, no larger than 64 screen pixels for one of the picture. */
export function limits(picture: Size, stage: Size): [number, number] {
  const fitted = Math.min(stage.width / picture.width, stage.height / picture.height);
  return [Math.min(fitted / 8, 1), LARGEST_SCALE];
}

/** Zoom by a factor; what lies under `at` stays there. */
export function zoomAt(view: View, at: Place, factor: number, range: readonly [number, number]): View {
  const scale = clamp(view.scale * factor, range[0], range[1]);
  const ratio = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio };
}

/** At least a strip of the picture stays on the stage, so that nobody loses it. */
export function keepInSight(view: View, picture: Size, stage: Size, strip = 48): View {
  return {
    scale: view.scale,
    x: clamp(view.x, strip - picture.width * view.scale, stage.width - strip),
    y: clamp(view.y, strip - picture.height * view.scale, stage.height - strip),
  };
}

/** The box centred, with a margin in screen pixels. */
export function fit(box: Box, stage: Size, margin: number, largest = LARGEST_SCALE): View {
  const [x, y, width, height] = box;
  const scale = Math.min(
    Math.max(stage.width - 2 * margin, 1) / Math.max(width, 1),
    Math.max(stage.height - 2 * margin, 1) / Math.max(height, 1),
    largest,
  );
  return {
    scale,
    x: stage.width / 2 - (x + width / 2) * scale,
    y: stage.height / 2 - (y + height / 2) * scale,
  };
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), Math.max(low, high));
}
