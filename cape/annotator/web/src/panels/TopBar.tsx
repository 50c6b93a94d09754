/** The head of the page: project, category, how far the work is, whether it is saved. */

import { living } from "../state/load";
import { openPicture } from "../state/flow";
import { refresh } from "../state/load";
import { useSession } from "../state/session";
import { setUi, ui, useUi } from "../state/view";
import { duration } from "../ui/words";
import { IconButton } from "../ui/Icon";

export function TopBar() {
  const project = useSession((state) => state.project);
  const { theme, screen } = useUi();
  return (
    <header className="topbar">
      <h1 className="wordmark">cape</h1>
      <span className="divider" />
      <span className="project" title={project?.name}>
        {project?.name ?? ""}
      </span>
      <CategoryChoice />
      {screen === "annotate" && <Counters />}
      <span className="spread row">
        <Model />
        <Saved />
        <button type="button" className="button" onClick={() => setUi({ dialog: "import" })}>
          Import
        </button>
        <button type="button" className="button" onClick={() => setUi({ dialog: "export" })}>
          Export
        </button>
        <IconButton
          icon={theme === "dark" ? "light" : "dark"}
          label={theme === "dark" ? "Light page" : "Dark page"}
          onClick={() => setUi({ theme: theme === "dark" ? "light" : "dark" })}
        />
        <button type="button" className="button quiet" aria-label="Keys" title="Keys (?)" onClick={() => setUi({ dialog: "help" })}>
          <kbd>?</kbd>
        </button>
      </span>
    </header>
  );
}

function CategoryChoice() {
  const documents = useSession((state) => state.documents);
  const chosen = useUi((state) => state.categoryId);
  const categories = living(documents);
  if (categories.length === 0) return null;
  return (
    <span className="row">
      <select
        className="field compact"
        aria-label="Category"
        value={chosen ?? ""}
        onChange={(event) => {
          event.target.blur();
          if (event.target.value === "") {
            setUi({ categoryId: null, screen: "category" });
            return;
          }
          setUi({ categoryId: event.target.value, screen: "annotate" });
          void refresh();
          void openPicture(ui().pictureId);
        }}
      >
        {categories.map((category) => (
          <option key={category.id} value={category.id}>
            {category.name}
          </option>
        ))}
        <option value="">New category…</option>
      </select>
      <IconButton icon="edit" label="Edit the category" onClick={() => setUi({ screen: "category" })} />
    </span>
  );
}

function Counters() {
  const progress = useSession((state) => state.progress);
  if (progress === null || progress.total === 0) return null;
  const share = progress.done / Math.max(progress.total - progress.skipped, 1);
  return (
    <div className="counters" role="group" aria-label="Progress">
      <span className="meter" aria-hidden="true">
        <i style={{ transform: `scaleX(${share})` }} />
      </span>
      <span>
        <b>{progress.done}</b> done, <b>{progress.open}</b> left
      </span>
      {progress.corrections_per_picture != null && (
        <span className="extra">
          <b>{progress.corrections_per_picture.toFixed(1)}</b> corrections a picture
        </span>
      )}
      {progress.seconds_left != null && progress.open > 0 && (
        <span className="extra">
          about <b>{duration(progress.seconds_left)}</b>
        </span>
      )}
    </div>
  );
}

/** The model while it cannot propose; nothing where it can. */
function Model() {
  const model = useSession((state) => state.project?.model);
  if (model === undefined || model.state === "ready" || model.state === "failed") return null;
  return (
    <span className="saved" data-state={model.state} role="status" title={model.words}>
      {model.state === "loading" ? "Model is loading…" : "No model"}
    </span>
  );
}

const WORDS = { saved: "Saved", saving: "Saving…", offline: "Not saved yet", conflict: "Conflict" };

function Saved() {
  const { link, waiting } = useSession();
  return (
    <span className="saved" data-state={link} role="status">
      {WORDS[link]}
      {waiting > 1 ? ` (${waiting})` : ""}
    </span>
  );
}

/** What is wrong with the connection or the model, across the page. */
export function Banner() {
  const { link, waiting, project } = useSession();
  const model = project?.model;
  if (link === "offline") {
    return (
      <div className="banner" role="alert">
        The server cannot be reached. {waiting} {waiting === 1 ? "edit waits" : "edits wait"} in this browser and will be
        sent when it is back; go on working.
      </div>
    );
  }
  if (model?.state === "failed") {
    return (
      <div className="banner" role="status">
        No proposals: {model.words} Placing, correcting and exporting work as ever.
      </div>
    );
  }
  return null;
}
