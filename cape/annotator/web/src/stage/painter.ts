/**
 * The picture on a canvas of the stage's size.
 *
 * A frame costs what the stage shows, not what the picture holds: a far view draws a small copy, a near one cuts its
 * part out of the whole.
 */

import type { Size, View } from "../geometry/view";

const COPY_SIDE = 2048;

interface Level {
  readonly bitmap: ImageBitmap;
  /** Pixels of the bitmap for one of the picture. */
  readonly scale: number;
}

export class Painter {
  private readonly context: CanvasRenderingContext2D;
  private levels: Level[] = [];
  private loading: AbortController | null = null;
  private ratio = 1;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d", { alpha: true });
    if (context === null) throw new Error("This browser gives no canvas to draw the picture on.");
    this.context = context;
  }

  resize(stage: Size): void {
    // Two device pixels for one of CSS are as sharp as eyes see; more only costs time.
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(Math.round(stage.width * this.ratio), 1);
    this.canvas.height = Math.max(Math.round(stage.height * this.ratio), 1);
  }

  /** Load another picture; `changed` is called at each step that shows more of it. */
  async load(address: string, size: Size, changed: () => void): Promise<void> {
    this.clear();
    const loading = new AbortController();
    this.loading = loading;
    const answer = await fetch(address, { signal: loading.signal });
    if (!answer.ok) throw new Error(`The picture could not be read (${answer.status}).`);
    const file = await answer.blob();
    const longest = Math.max(size.width, size.height);
    if (longest > COPY_SIDE) {
      const scale = COPY_SIDE / longest;
      const copy = await createImageBitmap(file, {
        resizeWidth: Math.round(size.width * scale),
        resizeHeight: Math.round(size.height * scale),
        resizeQuality: "medium",
      });
      if (!this.add(loading, copy, size)) return;
      changed();
    }
    if (this.add(loading, await createImageBitmap(file), size)) changed();
  }

  private add(loading: AbortController, bitmap: ImageBitmap, size: Size): boolean {
    if (loading !== this.loading) {
      bitmap.close();
      return false;
    }
    this.levels.push({ bitmap, scale: bitmap.width / size.width });
    return true;
  }

  clear(): void {
    this.loading?.abort();
    this.loading = null;
    for (const level of this.levels) level.bitmap.close();
    this.levels = [];
  }

  draw(view: View): void {
    const { context, ratio, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const wanted = view.scale * ratio;
    const level = this.levels.find(({ scale }) => scale >= wanted) ?? this.levels.at(-1);
    if (level === undefined) return;
    const { bitmap } = level;
    const shown = wanted / level.scale;
    const left = Math.max(Math.floor((-view.x * ratio) / shown), 0);
    const top = Math.max(Math.floor((-view.y * ratio) / shown), 0);
    const right = Math.min(Math.ceil((canvas.width - view.x * ratio) / shown), bitmap.width);
    const bottom = Math.min(Math.ceil((canvas.height - view.y * ratio) / shown), bitmap.height);
    if (right <= left || bottom <= top) return;
    // Close up, the pixels themselves are what somebody wants to see.
    context.imageSmoothingEnabled = shown < 4;
    context.drawImage(
      bitmap,
      left,
      top,
      right - left,
      bottom - top,
      view.x * ratio + left * shown,
      view.y * ratio + top * shown,
      (right - left) * shown,
      (bottom - top) * shown,
    );
  }
}
