/** Tools under the picture: how it is shown, and what of the model's doubt is drawn. */

import { useEffect, useRef } from "react";

import { redo, undo } from "../state/commit";
import { useSession } from "../state/session";
import { setUi, useUi } from "../state/view";
import { stage } from "../stage/Stage";
import type { Layers } from "../stage/markers";
import { IconButton } from "../ui/Icon";
import { fitNext, toggleLayer } from "../ui/moves";

const SHOWN: readonly (readonly [keyof Layers, string])[] = [
  ["names", "Names"],
  ["edges", "Edges"],
  ["rings", "Confidence"],
  ["ellipses", "Uncertainty"],
  ["branches", "Disagreement"],
  ["boxes", "Box"],
];

export function Toolbar() {
  const { brightness, contrast, layers, boxing, pictureId } = useUi();
  const history = useSession((state) => state.history);
  return (
    <div className="toolbar" role="toolbar" aria-label="Picture tools">
      <IconButton
        icon="undo"
        label={history.undo === null ? "Nothing to undo" : `Undo: ${history.undo}`}
        hotkey="Ctrl Z"
        disabled={history.undo === null}
        onClick={() => void undo()}
      />
      <IconButton
        icon="redo"
        label={history.redo === null ? "Nothing to do again" : `Do again: ${history.redo}`}
        hotkey="Ctrl Shift Z"
        disabled={history.redo === null}
        onClick={redo}
      />
      <span className="divider" />
      <IconButton icon="minus" label="Zoom out" hotkey="−" onClick={() => stage.camera?.zoom(0.8)} />
      <Zoom key={pictureId ?? ""} />
      <IconButton icon="add" label="Zoom in" hotkey="+" onClick={() => stage.camera?.zoom(1.25)} />
      <IconButton icon="fit" label="Fit the object or the picture" hotkey="F" onClick={fitNext} />
      <IconButton
        icon="box"
        label="Draw the box"
        hotkey="B"
        pressed={boxing}
        onClick={() => setUi({ boxing: !boxing })}
      />
      <span className="divider" />
      <Slider label="Brightness" value={brightness} onChange={(value) => setUi({ brightness: value })} />
      <Slider label="Contrast" value={contrast} onChange={(value) => setUi({ contrast: value })} />
      <details className="menu spread">
        <summary className="button quiet">Shown</summary>
        <fieldset className="popover">
          <legend className="hidden">What is drawn</legend>
          {SHOWN.map(([name, words]) => (
            <label key={name} className="row">
              <input type="checkbox" checked={layers[name]} onChange={() => toggleLayer(name)} />
              {words}
            </label>
          ))}
        </fieldset>
      </details>
    </div>
  );
}

/** The zoom in words; written past React, as it changes with every frame. */
function Zoom() {
  const output = useRef<HTMLOutputElement>(null);
  useEffect(() => {
    return stage.camera?.watch(({ scale }) => {
      if (output.current) output.current.value = `${Math.round(scale * 100)} %`;
    });
  }, []);
  return <output ref={output} aria-label="Zoom" />;
}

function Slider({ label, value, onChange }: { label: string; value: number; onChange: (value: number) => void }) {
  return (
    <label className="slider" title="Double click: as it is">
      {label}
      <input
        type="range"
        min={0.3}
        max={2.5}
        step={0.05}
        value={value}
        onDoubleClick={() => onChange(1)}
        onChange={(event) => onChange(Number(event.target.value))}
      />
    </label>
  );
}
