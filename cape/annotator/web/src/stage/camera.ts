/**
 * The camera of the stage: moves the picture and the drawing together, without React.
 *
 * Pointer events only note what is wanted; one animation frame later the canvas is drawn, the group of the drawing gets
 * one transform, and nothing else on the page changes.
 */

import {
  type Box,
  fit,
  keepInSight,
  limits,
  type Place,
  type Size,
  toCorner,
  toPoint,
  type View,
  zoomAt,
} from "../geometry/view";
import type { Painter } from "./painter";

/** Above the picture, where the name of the next keypoint stands. */
const HEAD = 64;

export class Camera {
  view: View = { scale: 1, x: 0, y: 0 };
  stage: Size = { width: 1, height: 1 };
  picture: Size = { width: 1, height: 1 };
  private frame = 0;
  private watchers = new Set<(view: View) => void>();

  constructor(
    private readonly root: SVGSVGElement,
    private readonly group: SVGGElement,
    private readonly painter: Painter,
  ) {}

  /** Called in the frame in which the view changed; returns what ends it. */
  watch(watcher: (view: View) => void): () => void {
    this.watchers.add(watcher);
    watcher(this.view);
    return () => this.watchers.delete(watcher);
  }

  resize(stage: Size): void {
    const middle = toCorner(this.view, { x: this.stage.width / 2, y: this.stage.height / 2 });
    this.stage = stage;
    this.painter.resize(stage);
    const { scale } = this.view;
    this.move({ scale, x: stage.width / 2 - middle.x * scale, y: stage.height / 2 - middle.y * scale });
  }

  show(picture: Size): void {
    this.picture = picture;
    this.fitAll();
  }

  fitAll(): void {
    const { width, height } = this.stage;
    const free = { width, height: Math.max(height - HEAD, 1) };
    const view = fit([0, 0, this.picture.width, this.picture.height], free, 20, 8);
    this.move({ ...view, y: view.y + HEAD });
  }

  fitBox(box: Box): void {
    const [low, high] = limits(this.picture, this.stage);
    const view = fit(box, this.stage, Math.min(this.stage.width, this.stage.height) / 8, 16);
    this.move({ ...view, scale: Math.min(Math.max(view.scale, low), high) });
  }

  zoom(factor: number, at?: Place): void {
    const middle = { x: this.stage.width / 2, y: this.stage.height / 2 };
    this.move(zoomAt(this.view, at ?? middle, factor, limits(this.picture, this.stage)));
  }

  pan(dx: number, dy: number): void {
    this.move({ ...this.view, x: this.view.x + dx, y: this.view.y + dy });
  }

  /** Bring a corner-frame place into sight, only if it is out of it. */
  reveal(corner: Place): void {
    const { scale, x, y } = this.view;
    const [sx, sy] = [corner.x * scale + x, corner.y * scale + y];
    const margin = 40;
    const inside = sx > margin && sy > margin && sx < this.stage.width - margin && sy < this.stage.height - margin;
    if (!inside) this.pan(this.stage.width / 2 - sx, this.stage.height / 2 - sy);
  }

  /** A pointer event's place on the stage, CSS pixels. */
  onStage(event: { clientX: number; clientY: number }): Place {
    const edge = this.root.getBoundingClientRect();
    return { x: event.clientX - edge.left, y: event.clientY - edge.top };
  }

  corner(event: { clientX: number; clientY: number }): Place {
    return toCorner(this.view, this.onStage(event));
  }

  point(event: { clientX: number; clientY: number }): Place {
    return toPoint(this.view, this.onStage(event));
  }

  redraw(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.painter.clear();
    this.watchers.clear();
  }

  private move(view: View): void {
    this.view = keepInSight(view, this.picture, this.stage);
    this.redraw();
  }

  private draw(): void {
    this.frame = 0;
    const { scale, x, y } = this.view;
    this.painter.draw(this.view);
    this.group.setAttribute("transform", `matrix(${scale} 0 0 ${scale} ${x} ${y})`);
    // Markers keep their size on the screen: each is scaled back by this.
    const unscale = String(1 / scale);
    if (this.group.style.getPropertyValue("--unscale") !== unscale) this.group.style.setProperty("--unscale", unscale);
    for (const watcher of this.watchers) watcher(this.view);
  }
}
