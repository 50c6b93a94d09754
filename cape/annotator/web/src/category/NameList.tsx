/** The points of a category by name, in the order of placement. */

import { useEffect, useId, useRef, useState } from "react";

import { api, ask } from "../api/client";
import type { CategoryDraft, SuggestedName } from "../api/types";
import { IconButton } from "../ui/Icon";
import { fresh, inserted, moved, removed, renamed, splitNames } from "./draft";

const PATIENCE = 150;

interface Props {
  readonly draft: CategoryDraft;
  readonly onChange: (draft: CategoryDraft) => void;
  readonly chosen: string | null;
  readonly onChoose: (id: string | null) => void;
}

/** Names of the text packs that go on from what is typed. */
function useSuggestions(text: string): readonly SuggestedName[] {
  const [found, setFound] = useState<readonly SuggestedName[]>([]);
  useEffect(() => {
    if (text.trim().length < 2) {
      setFound([]);
      return;
    }
    const asking = new AbortController();
    const timer = setTimeout(() => {
      const query = { text: text.trim().slice(0, 200), limit: 12 };
      ask(api.GET("/api/suggest/names", { params: { query }, signal: asking.signal }))
        .then(setFound)
        .catch(() => undefined);
    }, PATIENCE);
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
  }, [text]);
  return found;
}

export function NameList({ draft, onChange, chosen, onChoose }: Props) {
  const list = useRef<HTMLOListElement>(null);
  const wanted = useRef<string | null>(null);
  const options = useId();
  const [typed, setTyped] = useState("");
  const suggestions = useSuggestions(typed);
  const [dragged, setDragged] = useState<number | null>(null);

  useEffect(() => {
    if (wanted.current === null) return;
    list.current?.querySelector<HTMLInputElement>(`[data-name="${wanted.current}"]`)?.focus();
    wanted.current = null;
  });

  const add = (after: number, names: readonly string[] = [""]) => {
    const points = names.map(fresh);
    wanted.current = points.at(-1)?.id ?? null;
    onChange(inserted(draft, after, points));
  };

  const take = (id: string, index: number) => {
    wanted.current = draft.keypoints[index - 1]?.id ?? draft.keypoints[index + 1]?.id ?? null;
    onChange(removed(draft, id));
  };

  const key = (event: React.KeyboardEvent<HTMLInputElement>, id: string, index: number) => {
    if (event.key === "Enter") {
      event.preventDefault();
      add(index);
    } else if (event.key === "Backspace" && event.currentTarget.value === "") {
      event.preventDefault();
      take(id, index);
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      wanted.current = id;
      onChange(moved(draft, index, index + (event.key === "ArrowUp" ? -1 : 1)));
    }
  };

  return (
    <section className="names" aria-label="Points">
      <div className="row">
        <h2>Points</h2>
        <span className="muted small spread">{draft.keypoints.length} in the order of placement</span>
      </div>
      <ol ref={list} className="scroll">
        {draft.keypoints.map((point, index) => (
          <li
            key={point.id}
            data-chosen={point.id === chosen || undefined}
            data-dragged={dragged === index || undefined}
            onDragOver={(event) => dragged !== null && event.preventDefault()}
            onDrop={() => {
              if (dragged !== null) onChange(moved(draft, dragged, index));
              setDragged(null);
            }}
          >
            <span
              className="seat"
              draggable
              title="Drag to another place in the order"
              onDragStart={() => setDragged(index)}
              onDragEnd={() => setDragged(null)}
            >
              {index + 1}
            </span>
            <input
              className="field"
              data-name={point.id}
              aria-label={`Name of point ${index + 1}`}
              list={options}
              autoComplete="off"
              maxLength={200}
              placeholder="Name, left front leg for example"
              value={point.name ?? ""}
              onFocus={() => onChoose(point.id)}
              onKeyDown={(event) => key(event, point.id, index)}
              onPaste={(event) => {
                const names = splitNames(event.clipboardData.getData("text"));
                if (names.length < 2) return;
                event.preventDefault();
                const [first = "", ...others] = names;
                onChange(inserted(renamed(draft, point.id, first), index, others.map(fresh)));
              }}
              onChange={(event) => {
                setTyped(event.target.value);
                onChange(renamed(draft, point.id, event.target.value));
              }}
            />
            <IconButton
              icon="up"
              label={`Move point ${index + 1} up`}
              hotkey="Alt ↑"
              disabled={index === 0}
              onClick={() => onChange(moved(draft, index, index - 1))}
            />
            <IconButton icon="close" label={`Remove point ${index + 1}`} onClick={() => take(point.id, index)} />
          </li>
        ))}
      </ol>
      <datalist id={options}>
        {suggestions.map(({ name, relation }) => (
          <option key={name} value={name} label={relation} />
        ))}
      </datalist>
      <div className="row">
        <button type="button" className="button" onClick={() => add(draft.keypoints.length - 1)}>
          Add a point
        </button>
        <span className="muted small">Enter adds the next; a list can be pasted.</span>
      </div>
    </section>
  );
}
