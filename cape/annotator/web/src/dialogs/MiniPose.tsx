/** A pose alone, small; what differs from the other version stands out. */

import type { Category, Point } from "../api/types";
import { changedPoints } from "./differences";

interface Props {
  readonly points: readonly Point[];
  readonly others: readonly Point[];
  readonly category: Category;
}

export function MiniPose({ points, others, category }: Props) {
  const placed = [...points, ...others].flatMap(({ x, y }) => (x == null || y == null ? [] : [{ x, y }]));
  if (placed.length === 0) return null;
  const xs = placed.map(({ x }) => x);
  const ys = placed.map(({ y }) => y);
  const side = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 1);
  const margin = side * 0.12;
  const window = [Math.min(...xs) - margin, Math.min(...ys) - margin, side + 2 * margin, side + 2 * margin];
  const changed = new Set(changedPoints(points, others));
  const own = new Map(points.map((point) => [point.keypoint, point]));
  return (
    <svg className="minipose" viewBox={window.join(" ")} aria-hidden="true">
      {(category.edges ?? []).map(([a = "", b = ""]) => {
        const [from, to] = [own.get(a), own.get(b)];
        if (from?.x == null || from.y == null || to?.x == null || to.y == null) return null;
        return <line key={`${a}-${b}`} x1={from.x} y1={from.y} x2={to.x} y2={to.y} />;
      })}
      {points.map(({ keypoint, x, y }) =>
        x == null || y == null ? null : (
          <circle key={keypoint} cx={x} cy={y} r={side * 0.025} className={changed.has(keypoint) ? "changed" : ""} />
        ),
      )}
    </svg>
  );
}
