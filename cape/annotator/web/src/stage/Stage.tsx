/** The picture with its drawing. React renders what is there; camera and gestures move it without React. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import type { Box, Place, Size } from "../geometry/view";
import { Camera } from "./camera";
import { ActiveFigure, QuietFigure } from "./FigureView";
import { Gestures, type Outcomes } from "./gestures";
import type { Figure, Layers } from "./markers";
import { Painter } from "./painter";

/** The stage that is on the page, for hotkeys and buttons. */
export const stage: { camera: Camera | null; cursor: Place | null } = { camera: null, cursor: null };

interface Props {
  readonly address: string | null;
  readonly title: string;
  readonly size: Size;
  readonly figures: readonly Figure[];
  readonly active: string | null;
  readonly selected: number | null;
  readonly placing: boolean;
  readonly boxing: boolean;
  readonly layers: Layers;
  readonly hidden: boolean;
  readonly threshold: number;
  readonly brightness: number;
  readonly contrast: number;
  readonly cursor: Place | null;
  readonly onSelect: (index: number | null) => void;
  readonly onFigure: (id: string) => void;
  readonly onPlace: (at: Place) => void;
  readonly onMove: (index: number, to: Place) => void;
  readonly onBox: (box: Box) => void;
}

export function Stage(props: Props) {
  const { address, title, size, figures, active, selected, layers, threshold, onSelect } = props;
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const root = useRef<SVGSVGElement>(null);
  const group = useRef<SVGGElement>(null);
  const gestures = useRef<Gestures>(null);
  const painter = useRef<Painter>(null);
  const [failure, setFailure] = useState("");

  const latest = useRef(props);
  latest.current = props;

  useLayoutEffect(() => {
    if (!holder.current || !canvas.current || !root.current || !group.current) return;
    const drawn = new Painter(canvas.current);
    const camera = new Camera(root.current, group.current, drawn);
    const outcomes = (): Outcomes => ({
      select: (index) => latest.current.onSelect(index),
      place: (at) => latest.current.onPlace(at),
      moved: (index, to) => latest.current.onMove(index, to),
      boxed: (box) => latest.current.onBox(box),
      figure: (id) => latest.current.onFigure(id),
    });
    const hands = new Gestures(root.current, camera, outcomes);
    painter.current = drawn;
    gestures.current = hands;
    stage.camera = camera;
    const watcher = new ResizeObserver(([entry]) => {
      if (entry) camera.resize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    const edge = holder.current.getBoundingClientRect();
    camera.resize({ width: edge.width, height: edge.height });
    watcher.observe(holder.current);
    return () => {
      watcher.disconnect();
      hands.stop();
      camera.stop();
      stage.camera = null;
    };
  }, []);

  useEffect(() => {
    const { camera } = stage;
    setFailure("");
    if (camera === null || painter.current === null) return;
    if (address === null) {
      painter.current.clear();
      camera.redraw();
      return;
    }
    camera.show({ width: size.width, height: size.height });
    painter.current
      .load(address, size, () => camera.redraw())
      .catch((error: unknown) => {
        if (!(error instanceof DOMException && error.name === "AbortError")) setFailure(String(error));
      });
    // Its size belongs to the picture: it changes with the address alone.
  }, [address]);

  const mine = figures.find((figure) => figure.id === active);
  useLayoutEffect(() => {
    if (gestures.current === null) return;
    gestures.current.intent = { placing: props.placing, boxing: props.boxing, box: mine?.box ?? null };
  });

  const select = useCallback((index: number) => onSelect(index), [onSelect]);
  const hand = props.placing ? "place" : props.boxing ? "cross" : "";
  const tone = `brightness(${props.brightness}) contrast(${props.contrast})`;
  return (
    <div className="stage" ref={holder} data-hand={hand}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={title}
        style={props.brightness === 1 && props.contrast === 1 ? undefined : { filter: tone }}
      />
      <svg ref={root} role="group" aria-label={`Points on ${title}`} data-hidden={props.hidden || undefined}>
        <g ref={group}>
          <rect className="edge" width={size.width} height={size.height} />
          {figures.map(
            (figure) =>
              figure.id !== active && (
                <QuietFigure key={figure.id} figure={figure} layers={layers} onFigure={props.onFigure} />
              ),
          )}
          {mine !== undefined && (
            <ActiveFigure
              figure={mine}
              layers={layers}
              threshold={threshold}
              selected={selected}
              onSelect={select}
            />
          )}
          <rect className="box draft" data-draft="" visibility="hidden" />
          {props.cursor !== null && (
            <g transform={`translate(${props.cursor.x + 0.5} ${props.cursor.y + 0.5})`} aria-hidden="true">
              <path className="cursor upright" d="M-16 0H-4M4 0H16M0 -16V-4M0 4V16" />
            </g>
          )}
        </g>
      </svg>
      {failure !== "" && (
        <p className="stage-failure" role="alert">
          {failure}
        </p>
      )}
    </div>
  );
}
