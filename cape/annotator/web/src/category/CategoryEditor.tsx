/** A category: its name, points, edges, sides and parts; and what a change would do to what is annotated. */

import { useMemo, useState } from "react";

import { api, ask, wordsOf } from "../api/client";
import type { Category, CategoryDraft, CategoryPreview } from "../api/types";
import { commit } from "../state/commit";
import { refreshSoon } from "../state/load";
import { notify, setSession, useSession } from "../state/session";
import { setUi } from "../state/view";
import { Modal } from "../ui/Modal";
import { Diagram } from "./Diagram";
import { blank, draftFrom, fault, fresh, trimmed } from "./draft";
import { NameList } from "./NameList";
import { Parts, Sides } from "./Sides";

export default function CategoryEditor({ category }: { category: Category | null }) {
  const [draft, setDraft] = useState<CategoryDraft>(() =>
    category === null ? { ...blank(), keypoints: [fresh()] } : draftFrom(category),
  );
  const [chosen, setChosen] = useState<string | null>(null);
  const [preview, setPreview] = useState<CategoryPreview | null>(null);
  const [touched, setTouched] = useState(false);
  const instances = useSession((state) => state.documents.instances);
  const categories = useSession((state) => state.documents.categories);
  const example = useMemo(
    () =>
      Object.values(instances).find(
        (one) => one.category_id === draft.id && !one.deleted && one.state !== "rejected" && one.points.length > 2,
      ) ?? null,
    [instances, draft.id],
  );
  const clean = trimmed({ ...draft, keypoints: withoutLastBlank(draft) });
  const wrong = fault(clean);

  const change = (next: CategoryDraft) => {
    setTouched(true);
    setDraft(next);
  };
  const save = () => {
    const label = category === null ? `make ${clean.name}` : `change ${clean.name}`;
    commit(label, [{ change: "put_category", base_revision: category?.revision ?? 0, category: clean }]);
    setSession({ predictions: {}, refined: {} });
    setUi({ screen: "annotate", categoryId: clean.id });
    refreshSoon();
  };
  const look = async () => {
    if (category === null) return save();
    try {
      const path = { category_id: category.id };
      const said = await ask(api.POST("/api/categories/{category_id}/preview", { params: { path }, body: clean }));
      if (said.instances === 0 || said.words.length === 0) save();
      else setPreview(said);
    } catch (error) {
      notify(wordsOf(error), "error");
    }
  };
  const leave = () => {
    const there = category?.id ?? Object.values(categories).find((one) => !one.deleted)?.id ?? null;
    setUi({ screen: "annotate", categoryId: there });
  };

  return (
    <main className="editor">
      <header>
        <label className="title">
          <span className="hidden">Name of the category</span>
          <input
            className="field"
            placeholder="Name of the category: chair, hand, fox…"
            maxLength={200}
            autoFocus={category === null}
            value={draft.name}
            onChange={(event) => change({ ...draft, name: event.target.value })}
          />
        </label>
        <span className="muted small" role="status">
          {touched && wrong !== null ? wrong : ""}
        </span>
        <span className="spread row">
          {category !== null && <Remove category={category} onGone={leave} />}
          <button type="button" className="button large" onClick={leave}>
            Cancel
          </button>
          <button type="button" className="button primary large" disabled={wrong !== null} onClick={() => void look()}>
            {category === null ? "Make the category" : "Save the changes"}
          </button>
        </span>
      </header>
      <div className="columns">
        <NameList draft={draft} onChange={change} chosen={chosen} onChoose={setChosen} />
        <Diagram draft={draft} example={example} chosen={chosen} onChoose={setChosen} onChange={change} />
        <div className="extras scroll">
          <Sides draft={draft} onChange={change} />
          <Retired category={category} draft={draft} onChange={change} />
          <Parts draft={draft} onChange={change} />
        </div>
      </div>
      {preview !== null && (
        <Modal
          title="What this changes"
          onClose={() => setPreview(null)}
          actions={
            <>
              <button type="button" className="button" onClick={() => setPreview(null)}>
                Back
              </button>
              <button type="button" className="button primary" onClick={save}>
                Save the changes
              </button>
            </>
          }
        >
          <ul className="told">
            {preview.words.map((words) => (
              <li key={words}>{words}</li>
            ))}
          </ul>
          <p className="small muted">Nothing is deleted: points that are taken out are kept and can be put back.</p>
        </Modal>
      )}
    </main>
  );
}

/** The empty line at the end is where the next name would go, no point. */
function withoutLastBlank({ keypoints }: CategoryDraft): CategoryDraft["keypoints"] {
  const last = keypoints.at(-1);
  return keypoints.length > 1 && last !== undefined && (last.name ?? "").trim() === "" ? keypoints.slice(0, -1) : keypoints;
}

interface RetiredProps {
  readonly category: Category | null;
  readonly draft: CategoryDraft;
  readonly onChange: (draft: CategoryDraft) => void;
}

/** Points that were taken out earlier. */
function Retired({ category, draft, onChange }: RetiredProps) {
  const there = new Set(draft.keypoints.map(({ id }) => id));
  const gone = (category?.retired ?? []).filter(({ id }) => !there.has(id));
  if (gone.length === 0) return null;
  return (
    <section aria-label="Taken out">
      <h2>Taken out</h2>
      <ul className="pairs">
        {gone.map((point) => (
          <li key={point.id}>
            <span className="muted">{point.name || "unnamed"}</span>
            <button
              type="button"
              className="button quiet"
              onClick={() => onChange({ ...draft, keypoints: [...draft.keypoints, point] })}
            >
              Put back
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Remove({ category, onGone }: { category: Category; onGone: () => void }) {
  const [sure, setSure] = useState(false);
  if (!sure) {
    return (
      <button type="button" className="button large danger" onClick={() => setSure(true)}>
        Remove…
      </button>
    );
  }
  return (
    <button
      type="button"
      className="button large danger"
      onClick={() => {
        commit(`remove ${category.name}`, [
          { change: "delete_category", base_revision: category.revision, category_id: category.id },
        ]);
        onGone();
      }}
    >
      Remove it; its objects are kept, unseen
    </button>
  );
}
