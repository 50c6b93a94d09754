/** Accept everything that the model is sure enough of. */

import { useState } from "react";

import { acceptAbove } from "../state/flow";
import { useSession } from "../state/session";
import { setUi, useUi } from "../state/view";
import { Modal } from "../ui/Modal";
import { count, percent } from "../ui/words";

export function AcceptAll() {
  const { queue, queued, project } = useSession();
  const threshold = useUi((state) => state.threshold);
  const [least, setLeast] = useState(Math.max(threshold, 0.5));
  const [busy, setBusy] = useState(false);
  const reached = queue.filter(({ confidence }) => confidence !== null && confidence >= least).length;
  const more = queue.length < queued.open ? "at least " : "";
  const close = () => setUi({ dialog: null });

  const run = async () => {
    setBusy(true);
    if (await acceptAbove(least)) close();
    setBusy(false);
  };

  return (
    <Modal
      title="Accept all above a probability"
      onClose={close}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="button" className="button primary" disabled={busy || reached === 0} onClick={() => void run()}>
            Accept {more}
            {count(reached, "picture")}
          </button>
        </>
      }
    >
      <label>
        <span className="row">
          <span className="label">Pictures whose pose is right with a probability of at least</span>
          <b className="spread">{percent(least)}</b>
        </span>
        <input
          type="range"
          min={0}
          max={1}
          step={0.01}
          value={least}
          onChange={(event) => setLeast(Number(event.target.value))}
        />
      </label>
      <Histogram values={queue.flatMap(({ confidence }) => (confidence == null ? [] : [confidence]))} least={least} />
      <p className="small muted">
        {queued.predicted} of {count(queued.open, "open picture")} have a proposal.{" "}
        {project?.model.calibrated === false ? "This model's numbers only rank; look before you trust them. " : ""}
        Only open pictures without an object are touched; one undo takes all of it back.
      </p>
    </Modal>
  );
}

const BINS = 25;

/** How sure the model is of the open pictures; what would be accepted is in colour. */
function Histogram({ values, least }: { values: readonly number[]; least: number }) {
  const counts = Array.from({ length: BINS }, () => 0);
  for (const value of values) {
    const bin = Math.min(Math.floor(value * BINS), BINS - 1);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const most = Math.max(...counts, 1);
  return (
    <svg className="histogram" viewBox="0 0 250 56" preserveAspectRatio="none" aria-hidden="true">
      {counts.map((height, bin) => (
        <rect
          key={`bin-${bin / BINS}`}
          className={(bin + 0.5) / BINS >= least ? "in" : ""}
          x={bin * 10 + 1}
          y={56 - (54 * height) / most - 2}
          width={8}
          height={(54 * height) / most + 2}
        />
      ))}
    </svg>
  );
}
