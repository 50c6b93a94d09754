/** Points as knots: drag from one to another to connect them, or to part them again. */

import { useRef, useState } from "react";

import type { CategoryDraft, Instance } from "../api/types";
import type { Place } from "../geometry/view";
import { isPair, toggledEdge } from "./draft";

const SIDE = 520;
const EDGE = 64;

/** Pairs face each other, the others on the axis between them; without pairs all on a circle. */
function bare(draft: CategoryDraft): Map<string, Place> {
  const places = new Map<string, Place>();
  const other = new Map((draft.swap ?? []).flatMap(([a = "", b = ""]) => [[a, b] as const, [b, a] as const]));
  const middle = SIDE / 2;
  const radius = middle - EDGE;
  if (other.size === 0) {
    draft.keypoints.forEach(({ id }, index) => {
      const angle = (index / draft.keypoints.length) * 2 * Math.PI - Math.PI / 2;
      places.set(id, { x: middle + radius * Math.cos(angle), y: middle + radius * Math.sin(angle) });
    });
    return places;
  }
  const rows = draft.keypoints.filter(({ id }) => {
    const counterpart = other.get(id);
    const first = draft.keypoints.find((one) => one.id === id || one.id === counterpart);
    return first?.id === id;
  });
  rows.forEach(({ id }, row) => {
    const y = rows.length === 1 ? middle : EDGE + (row / (rows.length - 1)) * (SIDE - 2 * EDGE);
    // Not all in one line, or edges would cover each other.
    const out = radius * (row % 2 === 0 ? 0.62 : 0.92);
    const counterpart = other.get(id);
    if (counterpart === undefined) places.set(id, { x: middle, y });
    else {
      places.set(id, { x: middle - out, y });
      places.set(counterpart, { x: middle + out, y });
    }
  });
  return places;
}

/** Where the knots lie: as in an annotated object where there is one. */
export function layout(draft: CategoryDraft, example: Instance | null): Map<string, Place> {
  const places = bare(draft);
  const shown = (example?.points ?? []).flatMap(({ keypoint, x, y }) =>
    x == null || y == null || !places.has(keypoint) ? [] : [{ keypoint, x, y }],
  );
  if (shown.length < 3) return places;
  const [xs, ys] = [shown.map(({ x }) => x), shown.map(({ y }) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const scale = (SIDE - 2 * EDGE) / Math.max(width, height, 1);
  for (const { keypoint, x, y } of shown) {
    places.set(keypoint, {
      x: SIDE / 2 + (x - left - width / 2) * scale,
      y: SIDE / 2 + (y - top - height / 2) * scale,
    });
  }
  return places;
}

interface Props {
  readonly draft: CategoryDraft;
  readonly example: Instance | null;
  readonly chosen: string | null;
  readonly onChoose: (id: string | null) => void;
  readonly onChange: (draft: CategoryDraft) => void;
}

export function Diagram({ draft, example, chosen, onChoose, onChange }: Props) {
  const root = useRef<SVGSVGElement>(null);
  const [from, setFrom] = useState<string | null>(null);
  const [to, setTo] = useState<Place | null>(null);
  const places = layout(draft, example);
  const names = new Map(draft.keypoints.map(({ id, name }, index) => [id, name || `point ${index + 1}`]));

  const inside = (event: React.PointerEvent): Place => {
    const matrix = root.current?.getScreenCTM()?.inverse();
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    return { x: place.x, y: place.y };
  };
  const knotAt = (event: React.PointerEvent): string | null => {
    const hit = document.elementFromPoint(event.clientX, event.clientY)?.closest<SVGGElement>("[data-knot]");
    return hit?.dataset["knot"] ?? null;
  };
  const press = (id: string) => {
    // By keyboard: choose one, then press another.
    if (chosen !== null && chosen !== id) onChange(toggledEdge(draft, chosen, id));
    onChoose(chosen === id ? null : id);
  };

  const start = from === null ? undefined : places.get(from);
  return (
    <section className="diagram" aria-label="Edges">
      <div className="row">
        <h2>Edges</h2>
        <span className="muted small spread">Drag from point to point; again to remove.</span>
      </div>
      <svg
        ref={root}
        viewBox={`0 0 ${SIDE} ${SIDE}`}
        role="group"
        aria-label="Points and their edges"
        onPointerMove={(event) => from !== null && setTo(inside(event))}
        onPointerUp={(event) => {
          const end = knotAt(event);
          if (from !== null && end !== null && end !== from) onChange(toggledEdge(draft, from, end));
          setFrom(null);
          setTo(null);
        }}
      >
        {(draft.edges ?? []).map(([a = "", b = ""]) => {
          const [one, other] = [places.get(a), places.get(b)];
          if (one === undefined || other === undefined) return null;
          return (
            <line
              key={`${a}-${b}`}
              className="edge"
              x1={one.x}
              y1={one.y}
              x2={other.x}
              y2={other.y}
              onDoubleClick={() => onChange({ ...draft, edges: (draft.edges ?? []).filter((edge) => !isPair(edge, a, b)) })}
            />
          );
        })}
        {start && to && <line className="edge drawn" x1={start.x} y1={start.y} x2={to.x} y2={to.y} />}
        {draft.keypoints.map(({ id }) => {
          const place = places.get(id);
          if (place === undefined) return null;
          const low = place.y > SIDE * 0.72;
          return (
            <g
              key={id}
              className={id === chosen ? "knot chosen" : "knot"}
              data-knot={id}
              transform={`translate(${place.x} ${place.y})`}
              role="button"
              tabIndex={0}
              aria-label={`${names.get(id)}${chosen !== null && chosen !== id ? `, connect with ${names.get(chosen)}` : ""}`}
              aria-pressed={id === chosen}
              onPointerDown={(event) => {
                event.preventDefault();
                onChoose(id);
                setFrom(id);
                setTo(inside(event));
              }}
              onKeyDown={(event) => {
                if (event.key !== "Enter" && event.key !== " ") return;
                event.preventDefault();
                press(id);
              }}
            >
              <circle className="grip" r={18} />
              <circle className="dot" r={7} />
              <text y={low ? 24 : -14} textAnchor="middle">
                {names.get(id)}
              </text>
            </g>
          );
        })}
        {draft.keypoints.length === 0 && (
          <text className="none" x={SIDE / 2} y={SIDE / 2} textAnchor="middle">
            The points appear here.
          </text>
        )}
      </svg>
    </section>
  );
}
