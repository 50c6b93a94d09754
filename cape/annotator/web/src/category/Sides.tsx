/** Which points are left and right of each other, and which belong together. */

import { useEffect, useState } from "react";

import { api, ask } from "../api/client";
import type { CategoryDraft } from "../api/types";
import { IconButton } from "../ui/Icon";
import { paired, unconfirmed, unpaired } from "./draft";

const PATIENCE = 400;

interface Props {
  readonly draft: CategoryDraft;
  readonly onChange: (draft: CategoryDraft) => void;
}

/** What the names say of sides. */
function useInferred(draft: CategoryDraft): readonly string[][] {
  const [inferred, setInferred] = useState<readonly string[][]>([]);
  const named = draft.keypoints.map(({ id, name }) => `${id} ${name}`).join("\n");
  useEffect(() => {
    const asking = new AbortController();
    const timer = setTimeout(() => {
      const body = { keypoints: draft.keypoints };
      ask(api.POST("/api/suggest/swap", { body, signal: asking.signal }))
        .then(({ swap }) => setInferred(swap))
        .catch(() => undefined);
    }, PATIENCE);
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
    // Only names decide.
  }, [named]);
  return inferred;
}

export function Sides({ draft, onChange }: Props) {
  const inferred = useInferred(draft);
  const open = unconfirmed(draft, inferred);
  const [first, setFirst] = useState("");
  const name = (id: string | undefined) => {
    const index = draft.keypoints.findIndex((point) => point.id === id);
    return draft.keypoints[index]?.name || `point ${index + 1}`;
  };
  return (
    <section aria-label="Left and right">
      <h2>Left and right</h2>
      <p className="muted small">Points that change places in a mirror. They tell the model, and the checks, what a swap is.</p>
      {open.length > 0 && (
        <div className="inferred" role="status">
          <p className="small">The names say:</p>
          <ul>
            {open.map(([a, b]) => (
              <li key={`${a}-${b}`}>
                {name(a)} ↔ {name(b)}
              </li>
            ))}
          </ul>
          <button type="button" className="button primary" onClick={() => onChange(open.reduce(paired, draft))}>
            Confirm {open.length === 1 ? "the pair" : `all ${open.length}`}
          </button>
        </div>
      )}
      <ul className="pairs">
        {(draft.swap ?? []).map(([a = "", b = ""]) => (
          <li key={`${a}-${b}`}>
            <span>
              {name(a)} ↔ {name(b)}
            </span>
            <IconButton icon="close" label={`Part ${name(a)} and ${name(b)}`} onClick={() => onChange(unpaired(draft, [a, b]))} />
          </li>
        ))}
      </ul>
      {draft.keypoints.length > 1 && (
        <div className="row">
          <Choice label="One side" draft={draft} value={first} onChoose={setFirst} />
          <Choice
            label="Other side"
            draft={draft}
            value=""
            onChoose={(second) => {
              if (first !== "" && second !== "") onChange(paired(draft, [first, second]));
              setFirst("");
            }}
          />
        </div>
      )}
    </section>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly draft: CategoryDraft;
  readonly value: string;
  readonly onChoose: (id: string) => void;
}

function Choice({ label, draft, value, onChoose }: ChoiceProps) {
  return (
    <select className="field" aria-label={label} value={value} onChange={(event) => onChoose(event.target.value)}>
      <option value="">{label}…</option>
      {draft.keypoints.map((point, index) => (
        <option key={point.id} value={point.id}>
          {point.name || `point ${index + 1}`}
        </option>
      ))}
    </select>
  );
}

export function Parts({ draft, onChange }: Props) {
  const parts = draft.parts ?? [];
  const put = (index: number, part: (typeof parts)[number]) =>
    onChange({ ...draft, parts: parts.map((other, at) => (at === index ? part : other)) });
  return (
    <section aria-label="Parts">
      <h2>Parts</h2>
      <p className="muted small">Groups of points, for whole bodies: head, left arm. Most categories need none.</p>
      {parts.map((part, index) => (
        // A part has no id; its place stays while it is edited.
        <fieldset key={`part-${index + 1}`} className="part">
          <legend className="hidden">Part {index + 1}</legend>
          <div className="row">
            <input
              className="field"
              aria-label={`Name of part ${index + 1}`}
              value={part.name}
              maxLength={200}
              onChange={(event) => put(index, { ...part, name: event.target.value })}
            />
            <IconButton
              icon="close"
              label={`Remove part ${index + 1}`}
              onClick={() => onChange({ ...draft, parts: parts.filter((_, at) => at !== index) })}
            />
          </div>
          <div className="members">
            {draft.keypoints.map((point, seat) => (
              <label key={point.id}>
                <input
                  type="checkbox"
                  checked={part.keypoints.includes(point.id)}
                  onChange={(event) =>
                    put(index, {
                      ...part,
                      keypoints: event.target.checked
                        ? [...part.keypoints, point.id]
                        : part.keypoints.filter((id) => id !== point.id),
                    })
                  }
                />
                {point.name || `point ${seat + 1}`}
              </label>
            ))}
          </div>
        </fieldset>
      ))}
      <button
        type="button"
        className="button"
        onClick={() => onChange({ ...draft, parts: [...parts, { name: "", keypoints: [] }] })}
      >
        Add a part
      </button>
    </section>
  );
}
