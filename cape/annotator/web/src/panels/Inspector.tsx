/** The right side: the objects of the picture, their points, and what may be done with them. */

import { accept, findAll, hasExample, propose, reject, setPictureState, teach } from "../state/flow";
import { useSession } from "../state/session";
import { SUGGESTION } from "../state/pose";
import { choose, setUi, useUi } from "../state/view";
import { current, newObject, objects, removeObject, swapSides, suggestion } from "../state/work";
import type { Category } from "../api/types";
import { type Figure, isDoubtful, type Marker } from "../stage/markers";
import { IconButton } from "../ui/Icon";
import { focusPoint } from "../ui/moves";
import { percent } from "../ui/words";

export function Inspector({ category, figures }: { category: Category | null; figures: readonly Figure[] }) {
  const { figureId, pictureId, point, threshold } = useUi();
  const instance = useSession((state) => (figureId === null ? undefined : state.documents.instances[figureId]));
  const picture = useSession((state) => (pictureId === null ? undefined : state.documents.pictures[pictureId]));
  if (category === null || picture === undefined) return <aside className="side right" aria-label="Points" />;
  const figure = figures.find(({ id }) => id === figureId);
  const empty: Figure = {
    id: "",
    title: "",
    edges: [],
    box: null,
    markers: category.keypoints.map(({ name }, index) => ({
      index,
      name: name || `point ${index + 1}`,
      place: null,
      visibility: "absent",
      score: null,
      covariance: null,
      branches: [],
    })),
  };
  const isSuggested = figureId === SUGGESTION;
  const rejectable = isSuggested || (instance?.proposed === true && instance.state === "draft");
  const listed = new Set((isSuggested || instance ? current()?.draft.points : [])?.map(({ keypoint }) => keypoint));
  return (
    <aside className="side right" aria-label="Points">
      <header className="stack">
        <Objects figures={figures} active={figureId} />
        <Kind figure={figure} state={instance?.state} suggested={isSuggested} shot={instance?.shot === true} />
      </header>
      <ol className="scroll points" aria-label="Points of the object">
        {(figure ?? empty).markers.map((marker) => (
          <PointRow
            key={marker.index}
            marker={marker}
            known={listed.has(category.keypoints[marker.index]?.id ?? "")}
            selected={marker.index === point}
            doubtful={isDoubtful(marker, threshold)}
          />
        ))}
      </ol>
      <footer className="stack">
        <label className="threshold">
          <span className="row small">
            Look at points below <b className="spread">{percent(threshold)}</b>
          </span>
          <input
            type="range"
            aria-label="Threshold of doubt"
            min={0}
            max={1}
            step={0.01}
            value={threshold}
            onChange={(event) => setUi({ threshold: Number(event.target.value) })}
          />
        </label>
        <div className="pair">
          <button type="button" className="button primary large" onClick={() => void accept()}>
            Accept <kbd>Enter</kbd>
          </button>
          <button type="button" className="button large" disabled={!rejectable} onClick={reject}>
            Reject <kbd>R</kbd>
          </button>
        </div>
        <div className="pair">
          <button type="button" className="button" onClick={() => setUi({ dialog: "accept" })}>
            Accept all above…
          </button>
          {picture.state === "open" ? (
            <button type="button" className="button" onClick={() => void setPictureState("skipped")}>
              Skip
            </button>
          ) : (
            <button type="button" className="button" onClick={() => void setPictureState("open")}>
              Open again
            </button>
          )}
        </div>
        <Hints pictureId={picture.id} instanceId={instance?.state === "accepted" && !instance.shot ? instance.id : null} />
      </footer>
    </aside>
  );
}

function Objects({ figures, active }: { figures: readonly Figure[]; active: string | null }) {
  return (
    <div className="row">
      <div className="tabs objects" role="group" aria-label="Objects in this picture">
        {figures.length === 0 && <span className="none">No object yet</span>}
        {figures.map((figure, index) => (
          <button key={figure.id} type="button" aria-pressed={figure.id === active} onClick={() => choose(figure.id)}>
            {figure.id === SUGGESTION ? "Suggestion" : `Object ${index + 1}`}
          </button>
        ))}
      </div>
      <span className="spread row tight">
        <IconButton icon="swap" label="Swap left and right" hotkey="S" disabled={!figures.length} onClick={swapSides} />
        <IconButton icon="add" label="Another object" hotkey="I" onClick={newObject} />
        <IconButton
          icon="trash"
          label="Remove the object"
          hotkey="X"
          disabled={active === null || active === SUGGESTION}
          onClick={removeObject}
        />
      </span>
    </div>
  );
}

interface KindProps {
  readonly figure: Figure | undefined;
  readonly state: string | undefined;
  readonly suggested: boolean;
  readonly shot: boolean;
}

function Kind({ figure, state, suggested, shot }: KindProps) {
  const reasons = useSession(({ queue }) => queue);
  const pictureId = useUi((view) => view.pictureId);
  useSession((one) => one.predictions);
  // The list of the queue may be older than the proposal on the screen.
  const queued = reasons.find((entry) => entry.picture.id === pictureId)?.reasons ?? [];
  const why = suggested ? (suggestion(pictureId)?.reasons ?? []) : queued;
  if (figure === undefined) return <p className="small muted">Click on the picture to place the points.</p>;
  const words = suggested
    ? "Proposed by the model. Drag what is wrong; the others follow."
    : state === "accepted"
      ? `Accepted${shot ? ", shown to the model" : ""}.`
      : "Not accepted yet.";
  return (
    <>
      <p className="small muted">{words}</p>
      {state !== "accepted" && why.length > 0 && <p className="reasons small">{why.join(" · ")}</p>}
    </>
  );
}

interface RowProps {
  readonly marker: Marker;
  readonly known: boolean;
  readonly selected: boolean;
  readonly doubtful: boolean;
}

function PointRow({ marker, known, selected, doubtful }: RowProps) {
  const state = known ? marker.visibility : "open";
  const about = { visible: "", occluded: "occluded", absent: "absent", open: "to place" }[state];
  return (
    <li>
      <button
        type="button"
        className="pointrow"
        data-state={state}
        aria-pressed={selected}
        onClick={() => {
          focusPoint(marker.index);
          if (!known) setUi({ placing: true });
        }}
      >
        <i className="bullet" data-source={marker.score === null ? "human" : "model"} aria-hidden="true" />
        <span className="name">{marker.name}</span>
        <span className="about">{about}</span>
        {known && marker.score !== null && marker.visibility !== "absent" && (
          <span className={doubtful ? "score doubtful" : "score"}>{percent(marker.score)}</span>
        )}
      </button>
    </li>
  );
}

/** Less common things, offered where they make sense. */
function Hints({ pictureId, instanceId }: { pictureId: string; instanceId: string | null }) {
  useSession((state) => state.predictions);
  const accepted = useSession((state) => state.progress?.accepted ?? 0);
  // The first accepted object is shown to the model anyhow.
  if (instanceId !== null && accepted < 2) return null;
  if (instanceId !== null) {
    return (
      <button type="button" className="button quiet" onClick={() => void teach(instanceId)}>
        Show the model this one, too <kbd>T</kbd>
      </button>
    );
  }
  const nothing = objects(pictureId).length === 0;
  const found = suggestion(pictureId);
  if (!nothing) return null;
  if (found !== null && found.shots > 0) {
    return (
      <button type="button" className="button quiet" onClick={() => void findAll()}>
        Find several objects <kbd>M</kbd>
      </button>
    );
  }
  return (
    <button type="button" className="button quiet" onClick={() => void propose(true)}>
      {hasExample() ? "Let the model propose" : "Let the model guess from the names"} <kbd>G</kbd>
    </button>
  );
}
