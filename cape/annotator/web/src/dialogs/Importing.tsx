/** Labels in: first what they would do, then do it. */

import { useState } from "react";

import { send, wordsOf } from "../api/client";
import type { Imported } from "../api/types";
import { takeNews } from "../state/commit";
import { openPicture } from "../state/flow";
import { refreshSoon, reloadList } from "../state/load";
import { clientId, notify, setSession } from "../state/session";
import { setUi, ui } from "../state/view";
import { Modal } from "../ui/Modal";
import { count } from "../ui/words";
import { type FormatId, FORMATS } from "./formats";

function bring(file: File, format: FormatId, dryRun: boolean): Promise<Imported> {
  const query = new URLSearchParams({ id: crypto.randomUUID(), client: clientId(), format, dry_run: String(dryRun) });
  return send<Imported>(`/api/import?${query}`, file);
}

export function Importing() {
  const [format, setFormat] = useState<FormatId>("coco");
  const [file, setFile] = useState<File | null>(null);
  const [preview, setPreview] = useState<Imported | null>(null);
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const chosen = FORMATS.find(({ id }) => id === format);
  const close = () => setUi({ dialog: null });

  const run = async (picked: File | null, kind: FormatId, dryRun: boolean) => {
    if (picked === null) return;
    setBusy(true);
    setFailure("");
    try {
      const said = await bring(picked, kind, dryRun);
      setPreview(said);
      if (!dryRun) finish(said);
    } catch (error) {
      setPreview(null);
      setFailure(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };

  const choose = (picked: File | null, kind: FormatId) => {
    setFile(picked);
    setFormat(kind);
    setPreview(null);
    void run(picked, kind, true);
  };

  return (
    <Modal
      title="Import labels"
      onClose={close}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Close
          </button>
          <button
            type="button"
            className="button primary"
            disabled={busy || file === null || preview === null || preview.instances + preview.categories.length === 0}
            onClick={() => void run(file, format, false)}
          >
            {busy ? "Reading…" : "Import"}
          </button>
        </>
      }
    >
      <label>
        <span className="label">Format</span>
        <select
          className="field"
          value={format}
          onChange={(event) => choose(null, FORMATS.find(({ id }) => id === event.target.value)?.id ?? "coco")}
        >
          {FORMATS.map(({ id, title }) => (
            <option key={id} value={id}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span className="label">File: {chosen?.file}</span>
        <input
          key={format}
          className="field file"
          type="file"
          accept={chosen?.accepts}
          onChange={(event) => choose(event.target.files?.[0] ?? null, format)}
        />
      </label>
      {failure !== "" && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
      {preview !== null && <Preview preview={preview} />}
      <p className="small muted">Pictures are matched by file name. One undo takes the whole import back.</p>
    </Modal>
  );
}

function finish(said: Imported): void {
  if (said.operation) {
    takeNews(said.operation);
    setSession({ history: said.operation.history });
  }
  notify(`${count(said.instances, "object")} imported.`);
  setUi({ dialog: null, screen: "annotate", ...(ui().categoryId === null ? { categoryId: firstOf(said) } : {}) });
  void reloadList().catch(() => undefined);
  refreshSoon(0);
  void openPicture(ui().pictureId);
}

function firstOf(said: Imported): string | null {
  return said.operation?.changed.categories?.[0]?.id ?? null;
}

function Preview({ preview }: { preview: Imported }) {
  return (
    <div className="preview" role="status">
      <p>
        <b>{count(preview.instances, "object")}</b> in {count(preview.pictures, "picture")}
        {preview.categories.length > 0 && <> of {preview.categories.join(", ")}</>}
      </p>
      {preview.unmatched_count > 0 && (
        <p className="warn">
          {count(preview.unmatched_count, "file")} of the labels {preview.unmatched_count === 1 ? "is" : "are"} not in
          this project: {preview.unmatched.slice(0, 5).join(", ")}
          {preview.unmatched_count > 5 ? "…" : ""}
        </p>
      )}
      {preview.words.map((words) => (
        <p key={words} className="small">
          {words}
        </p>
      ))}
    </div>
  );
}
