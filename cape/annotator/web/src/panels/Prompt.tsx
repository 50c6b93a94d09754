/** What to do next, large: the name of the keypoint that the next click places. */

import type { Category } from "../api/types";
import { nextUnplaced } from "../state/pose";
import { useSession } from "../state/session";
import { useUi } from "../state/view";
import { current, expected, markAbsent, stepBack, toggleOccluded } from "../state/work";

export function Prompt({ category }: { category: Category | null }) {
  const { placing, occluded, boxing } = useUi();
  // The point that is expected follows from both; asked for anew when either changes.
  useUi((state) => state.point);
  useSession((state) => state.documents);
  const thinking = useSession((state) => state.thinking);
  if (boxing) return <Bar next="Draw the box" then="Drag from corner to corner. Esc leaves it as it was." />;
  if (!placing || category === null) {
    return thinking === "" ? null : (
      <div className="prompt slim" role="status">
        {thinking}
      </div>
    );
  }
  const index = expected();
  if (index === null) return null;
  const name = category.keypoints[index]?.name || `point ${index + 1}`;
  const after = nextUnplaced(current()?.draft ?? null, category, index + 1);
  const then = after === null || after === index ? "the last one" : `then ${category.keypoints[after]?.name ?? ""}`;
  return (
    <div className="prompt" role="status" aria-live="polite">
      <div>
        <div className="next">
          <span className="hidden">Click on: </span>
          {name}
        </div>
        <div className="then">
          {index + 1} of {category.keypoints.length}, {then}
        </div>
      </div>
      <div className="row">
        <button type="button" className="button" aria-pressed={occluded} onClick={toggleOccluded}>
          Occluded <kbd>O</kbd>
        </button>
        <button type="button" className="button" onClick={markAbsent}>
          Absent <kbd>A</kbd>
        </button>
        <button type="button" className="button" onClick={stepBack}>
          Back <kbd>⌫</kbd>
        </button>
      </div>
    </div>
  );
}

function Bar({ next, then }: { next: string; then: string }) {
  return (
    <div className="prompt" role="status">
      <div>
        <div className="next">{next}</div>
        <div className="then">{then}</div>
      </div>
    </div>
  );
}
