/** The page as a whole. */

import { lazy, Suspense, useEffect, useMemo } from "react";

import { AcceptAll } from "./dialogs/AcceptAll";
import { Adding } from "./dialogs/Adding";
import { Conflicts } from "./dialogs/Conflicts";
import { Exporting } from "./dialogs/Exporting";
import { Help } from "./dialogs/Help";
import { Importing } from "./dialogs/Importing";
import { Inspector } from "./panels/Inspector";
import { PictureList } from "./panels/PictureList";
import { Start } from "./panels/Start";
import { Banner, TopBar } from "./panels/TopBar";
import { useFigures, Workbench } from "./panels/Workbench";
import { openPicture, propose, settle } from "./state/flow";
import { living, start } from "./state/load";
import { dismiss, useSession } from "./state/session";
import { ui, useUi } from "./state/view";
import { IconButton } from "./ui/Icon";
import { useKeys } from "./ui/useKeys";

const CategoryEditor = lazy(() => import("./category/CategoryEditor"));

export function App() {
  const { phase, failure, project, documents, order, conflicts } = useSession();
  const { screen, theme, dialog, categoryId } = useUi();
  const categories = useMemo(() => living(documents), [documents]);
  const category = categories.find(({ id }) => id === categoryId) ?? null;
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  useEffect(() => {
    void start();
  }, []);
  const ready = phase === "ready";
  const working = ready && order.length > 0 && category !== null && screen === "annotate";
  useEffect(() => {
    if (!working) return;
    const asked = location.hash.slice(1);
    const known = ui().pictureId ?? (/^[0-9a-f]{20}$/.test(asked) ? asked : null);
    void openPicture(known ?? useSession.getState().order[0] ?? null);
  }, [working]);
  useEffect(warnOnLeaving, []);
  if (phase === "failed") return <Failed words={failure} />;
  if (!ready) return <p className="empty">Opening the project…</p>;
  return (
    <div className="page">
      <TopBar />
      <div>
        <Banner />
      </div>
      {screen === "category" ? (
        <Suspense fallback={<p className="empty">…</p>}>
          <CategoryEditor key={categoryId ?? "new"} category={category} />
        </Suspense>
      ) : working ? (
        <Annotating />
      ) : (
        <Start pictures={order.length || (project?.pictures ?? 0)} categories={categories.length} />
      )}
      {dialog === "help" && <Help />}
      {dialog === "export" && <Exporting />}
      {dialog === "import" && <Importing />}
      {dialog === "accept" && <AcceptAll />}
      {dialog === "add" && <Adding />}
      {conflicts.length > 0 && <Conflicts />}
      <Toasts />
    </div>
  );
}

function Annotating() {
  const categoryId = useUi((state) => state.categoryId);
  const pictureId = useUi((state) => state.pictureId);
  const dialog = useUi((state) => state.dialog);
  const conflict = useSession((state) => state.conflicts.length > 0);
  const category = useSession((state) => (categoryId === null ? null : (state.documents.categories[categoryId] ?? null)));
  const figures = useFigures(category, pictureId);
  const drafts = useSession((state) => state.documents.instances);
  const ready = useSession((state) => state.project?.model.state === "ready");
  useKeys(dialog === null && !conflict);
  useEffect(() => {
    if (ready) void propose(false);
  }, [ready]);
  // An undo, or somebody else, may take away what was chosen.
  useEffect(() => {
    const { figureId } = ui();
    if (figureId !== null && !figures.some(({ id }) => id === figureId)) settle();
    if (figureId === null && figures.length > 0) settle();
  }, [drafts, figures]);
  return (
    <div className="workspace" onClick={letGo}>
      <PictureList />
      <Workbench category={category} figures={figures} />
      <Inspector category={category} figures={figures} />
    </div>
  );
}

/** What a pointer pressed lets go of the keyboard again: the next key is for the picture. */
function letGo(event: React.MouseEvent): void {
  const { activeElement: held } = document;
  const isRange = held instanceof HTMLInputElement && held.type === "range";
  if (event.detail > 0 && (held instanceof HTMLButtonElement || isRange)) held.blur();
}

function Failed({ words }: { words: string }) {
  return (
    <main className="empty" role="alert">
      <h1>The project could not be opened</h1>
      <p>{words}</p>
      <p>Is the server still running? Start it again with cape annotate, and use the address that it prints.</p>
      <button type="button" className="button primary large" onClick={() => location.reload()}>
        Try again
      </button>
    </main>
  );
}

function Toasts() {
  const notices = useSession((state) => state.notices);
  return (
    <div className="toasts" aria-live="polite">
      {notices.map(({ id, kind, words }) => (
        <div key={id} className={kind === "error" ? "toast error" : "toast"} role={kind === "error" ? "alert" : "status"}>
          <span>{words}</span>
          <IconButton icon="close" label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}

/** Edits that wait are kept, but whoever closes the page should know. */
function warnOnLeaving(): () => void {
  const ask = (event: BeforeUnloadEvent) => {
    if (useSession.getState().waiting > 0) event.preventDefault();
  };
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}
