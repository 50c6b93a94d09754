/** Labels out, as one archive. */

import { useState } from "react";

import { refusalOf, wordsOf } from "../api/client";
import { useSession } from "../state/session";
import { setUi } from "../state/view";
import { Modal } from "../ui/Modal";
import { FORMATS } from "./formats";

async function download(chosen: readonly string[], drafts: boolean, prompts: boolean, name: string): Promise<void> {
  const query = new URLSearchParams(chosen.map((format) => ["formats", format]));
  query.set("drafts", String(drafts));
  query.set("prompts", String(prompts));
  const answer = await fetch(`/api/export?${query}`);
  if (!answer.ok) throw refusalOf(answer, await answer.json().catch(() => null));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `${name}.zip`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function Exporting() {
  const name = useSession((state) => state.project?.name ?? "project");
  const waiting = useSession((state) => state.waiting);
  const accepted = useSession((state) => state.progress?.accepted ?? 0);
  const [chosen, setChosen] = useState<readonly string[]>(["coco"]);
  const [drafts, setDrafts] = useState(false);
  const [prompts, setPrompts] = useState(true);
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  const [failure, setFailure] = useState("");
  const close = () => setUi({ dialog: null });

  const save = async () => {
    setState("busy");
    setFailure("");
    try {
      await download(chosen, drafts, prompts, name);
      setState("done");
    } catch (error) {
      setFailure(wordsOf(error));
      setState("idle");
    }
  };

  return (
    <Modal
      title="Export"
      onClose={close}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Close
          </button>
          <button
            type="button"
            className="button primary"
            disabled={chosen.length === 0 || state === "busy"}
            onClick={() => void save()}
          >
            {state === "busy" ? "Writing…" : "Download the archive"}
          </button>
        </>
      }
    >
      <fieldset className="choices">
        <legend className="label">Formats</legend>
        {FORMATS.map(({ id, title, words }) => (
          <label key={id} className="choice">
            <input
              type="checkbox"
              checked={chosen.includes(id)}
              onChange={(event) =>
                setChosen(event.target.checked ? [...chosen, id] : chosen.filter((other) => other !== id))
              }
            />
            <span>
              <b>{title}</b>
              <small>{words}</small>
            </span>
          </label>
        ))}
      </fieldset>
      <label className="row">
        <input type="checkbox" checked={drafts} onChange={(event) => setDrafts(event.target.checked)} />
        Objects that are not accepted yet, too
      </label>
      <label className="row">
        <input type="checkbox" checked={prompts} onChange={(event) => setPrompts(event.target.checked)} />
        A .prompt file of each category, for cape predict
      </label>
      {accepted === 0 && !drafts && <p className="small muted">No object is accepted yet: the files will be empty.</p>}
      {waiting > 0 && <p className="small warn">Edits wait to be saved; they will be missing in the archive.</p>}
      {failure !== "" && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
      {state === "done" && <p role="status">The archive is in your downloads.</p>}
    </Modal>
  );
}
