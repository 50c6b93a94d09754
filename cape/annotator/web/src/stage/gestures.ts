/**
 * What hands do on the stage: place, drag, pan, zoom, draw a box.
 *
 * While a pointer is down only attributes of the elements concerned change; what it came to is told once, on release.
 */

import { boxBetween, type Handle, resized } from "../geometry/boxes";
import type { Box, Place } from "../geometry/view";
import type { Camera } from "./camera";
import { dragBox, dragPoint, hideDraft } from "./drawing";

const STILL = 4;

export interface Intent {
  /** A click on the picture places a keypoint. */
  placing: boolean;
  /** A drag draws the box. */
  boxing: boolean;
  box: Box | null;
}

export interface Outcomes {
  select(index: number | null): void;
  place(at: Place): void;
  moved(index: number, to: Place): void;
  boxed(box: Box): void;
  figure(id: string): void;
}

type Drag =
  | { kind: "pan"; last: Place }
  | { kind: "empty"; start: Place }
  | { kind: "point"; index: number; grip: Place; start: Place; at: Place }
  | { kind: "box"; from: Place; box: Box | null }
  | { kind: "handle"; handle: Handle; from: Box; box: Box };

export class Gestures {
  intent: Intent = { placing: false, boxing: false, box: null };
  private drag: Drag | null = null;
  private moved = false;
  private latest: PointerEvent | null = null;
  private frame = 0;
  private spaceHeld = false;

  constructor(
    private readonly root: SVGSVGElement,
    private readonly camera: Camera,
    private readonly outcomes: () => Outcomes,
  ) {
    root.addEventListener("pointerdown", this.down);
    root.addEventListener("pointermove", this.move);
    root.addEventListener("pointerup", this.up);
    root.addEventListener("pointercancel", this.cancel);
    root.addEventListener("wheel", this.wheel, { passive: false });
    window.addEventListener("keydown", this.key);
    window.addEventListener("keyup", this.key);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.root.removeEventListener("pointerdown", this.down);
    this.root.removeEventListener("pointermove", this.move);
    this.root.removeEventListener("pointerup", this.up);
    this.root.removeEventListener("pointercancel", this.cancel);
    this.root.removeEventListener("wheel", this.wheel);
    window.removeEventListener("keydown", this.key);
    window.removeEventListener("keyup", this.key);
  }

  private begin(event: PointerEvent): Drag | null {
    const at = this.camera.onStage(event);
    if (event.button === 1 || (event.button === 0 && this.spaceHeld)) return { kind: "pan", last: at };
    if (event.button !== 0) return null;
    const target = event.target instanceof Element ? event.target : null;
    const handle = target?.closest<SVGElement>("[data-handle]")?.dataset["handle"] as Handle | undefined;
    if (handle !== undefined && this.intent.box !== null) {
      return { kind: "handle", handle, from: this.intent.box, box: this.intent.box };
    }
    if (this.intent.boxing) return { kind: "box", from: this.camera.corner(event), box: null };
    const point = target?.closest<SVGGElement>("[data-point]");
    if (point?.dataset["point"] !== undefined) {
      const place = { x: Number(point.dataset["x"]), y: Number(point.dataset["y"]) };
      const pointer = this.camera.point(event);
      const grip = { x: place.x - pointer.x, y: place.y - pointer.y };
      return { kind: "point", index: Number(point.dataset["point"]), grip, start: at, at: place };
    }
    const figure = target?.closest<SVGGElement>("[data-figure]")?.dataset["figure"];
    if (figure !== undefined && !this.intent.placing) this.outcomes().figure(figure);
    return { kind: "empty", start: at };
  }

  private readonly down = (event: PointerEvent): void => {
    if (this.drag !== null) return;
    this.drag = this.begin(event);
    if (this.drag === null) return;
    this.moved = false;
    this.root.setPointerCapture(event.pointerId);
    if (this.drag.kind === "point" && !this.intent.placing) this.outcomes().select(this.drag.index);
    if (event.button === 1) event.preventDefault();
  };

  private readonly move = (event: PointerEvent): void => {
    if (this.drag === null) return;
    this.latest = event;
    if (this.frame === 0) this.frame = requestAnimationFrame(this.step);
  };

  private readonly step = (): void => {
    this.frame = 0;
    const event = this.latest;
    const drag = this.drag;
    if (event === null || drag === null) return;
    const at = this.camera.onStage(event);
    if ("start" in drag && !this.moved) {
      if (Math.hypot(at.x - drag.start.x, at.y - drag.start.y) < STILL) return;
      this.moved = true;
      if (drag.kind === "empty") {
        this.drag = { kind: "pan", last: at };
        this.root.dataset["hand"] = "grabbing";
        return;
      }
    }
    this.moved = true;
    if (drag.kind === "pan") {
      this.camera.pan(at.x - drag.last.x, at.y - drag.last.y);
      drag.last = at;
    } else if (drag.kind === "point") {
      const pointer = this.camera.point(event);
      drag.at = { x: pointer.x + drag.grip.x, y: pointer.y + drag.grip.y };
      dragPoint(this.root, drag.index, drag.at);
    } else if (drag.kind === "box") {
      drag.box = boxBetween(drag.from, this.camera.corner(event), this.camera.picture);
      dragBox(this.root, drag.box);
    } else if (drag.kind === "handle") {
      drag.box = resized(drag.from, drag.handle, this.camera.corner(event), this.camera.picture);
      dragBox(this.root, drag.box);
    }
  };

  private readonly up = (event: PointerEvent): void => {
    if (this.drag === null) return;
    this.latest = event;
    cancelAnimationFrame(this.frame);
    this.step();
    const drag = this.drag;
    this.end();
    const outcomes = this.outcomes();
    if (drag.kind === "point") {
      if (this.moved) outcomes.moved(drag.index, drag.at);
      else if (this.intent.placing) outcomes.place(this.camera.point(event));
    } else if (drag.kind === "empty") {
      if (this.intent.placing) outcomes.place(this.camera.point(event));
      else outcomes.select(null);
    } else if ((drag.kind === "box" || drag.kind === "handle") && this.moved && drag.box !== null) {
      if (drag.box[2] >= 1 && drag.box[3] >= 1) outcomes.boxed(drag.box);
    }
  };

  private readonly cancel = (): void => {
    const drag = this.drag;
    this.end();
    if (drag?.kind === "point") this.outcomes().select(drag.index);
  };

  private end(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.drag = null;
    this.latest = null;
    delete this.root.dataset["hand"];
    hideDraft(this.root);
  }

  private readonly wheel = (event: WheelEvent): void => {
    event.preventDefault();
    // Lines and pages of a wheel, as pixels of a touchpad; one notch is about a fifth.
    const unit = event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 400 : 1;
    if (event.shiftKey) this.camera.pan(-(event.deltaX + event.deltaY) * unit, 0);
    else {
      const turn = Math.max(Math.min(event.deltaY * unit, 300), -300);
      this.camera.zoom(Math.exp(-turn * (event.ctrlKey ? 0.008 : 0.0018)), this.camera.onStage(event));
    }
  };

  private readonly key = (event: KeyboardEvent): void => {
    if (event.code !== "Space" || event.target !== document.body) return;
    this.spaceHeld = event.type === "keydown";
    this.root.dataset["hand"] = this.spaceHeld ? "grab" : "";
    event.preventDefault();
  };
}
