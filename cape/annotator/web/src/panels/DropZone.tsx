/** Where pictures are dropped or chosen. */

import { useRef, useState } from "react";

import { fromDrop, fromInput, upload, useUploads } from "../state/upload";
import { count } from "../ui/words";

const KINDS = "image/jpeg,image/png,image/webp,image/tiff";

export function DropZone() {
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  return (
    <div
      className="dropzone"
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void fromDrop(event.dataTransfer.items).then(upload);
      }}
    >
      <p className="lead">Drop pictures or a folder here</p>
      <p className="muted">JPEG, PNG, WebP or 8-bit TIFF. They are copied into the project and never changed.</p>
      <div className="row">
        <button type="button" className="button primary large" onClick={() => files.current?.click()}>
          Choose pictures
        </button>
        <button type="button" className="button large" onClick={() => folder.current?.click()}>
          Choose a folder
        </button>
      </div>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        accept={KINDS}
        aria-label="Pictures"
        onChange={(event) => void upload(fromInput(event.target.files))}
      />
      <input
        ref={(element) => {
          folder.current = element;
          element?.setAttribute("webkitdirectory", "");
        }}
        type="file"
        hidden
        aria-label="Folder of pictures"
        onChange={(event) => void upload(fromInput(event.target.files))}
      />
      <Uploading />
    </div>
  );
}

function Uploading() {
  const { total, done, known, failures } = useUploads();
  if (total === 0) return null;
  return (
    <div className="uploading" role="status">
      <span className="meter" aria-hidden="true">
        <i style={{ transform: `scaleX(${done / total})` }} />
      </span>
      <p>
        {done} of {count(total, "picture")}
        {known > 0 && `, ${known} there already`}
      </p>
      {failures.length > 0 && (
        <ul className="failures">
          {failures.map(({ name, words }) => (
            <li key={name}>
              <b>{name}</b> {words}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
