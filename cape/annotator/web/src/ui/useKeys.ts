/** The page's keys, bound to what they do; not while somebody types. */

import { useHotkeys } from "react-hotkeys-hook";

import { redo, undo } from "../state/commit";
import { accept, copyPrevious, findAll, propose, reject, step, teach } from "../state/flow";
import { useUi } from "../state/view";
import {
  clearPoint,
  markAbsent,
  newObject,
  removeObject,
  stepBack,
  swapSides,
  toggleOccluded,
} from "../state/work";
import { stage } from "../stage/Stage";
import { JOINT, KEYS } from "./hotkeys";
import { choosePoint, fitNext, leave, nextDoubtful, nudge, placeAtCursor, toggleLayer, turnObject } from "./moves";

type Action = Exclude<keyof typeof KEYS, "pan" | "nudge">;

const ACTIONS: Record<Action, () => void> = {
  accept: () => void accept(),
  absent: markAbsent,
  occluded: toggleOccluded,
  stepBack,
  clear: () => clearPoint(useUi.getState().point),
  nextPoint: () => choosePoint(1),
  previousPoint: () => choosePoint(-1),
  doubtful: nextDoubtful,
  place: placeAtCursor,
  swap: swapSides,
  copy: () => void copyPrevious(),
  suggest: () => void propose(true),
  findAll: () => void findAll(),
  reject,
  teach: () => {
    const { figureId } = useUi.getState();
    if (figureId !== null) void teach(figureId);
  },
  another: newObject,
  other: turnObject,
  box: () => useUi.setState(({ boxing }) => ({ boxing: !boxing })),
  remove: removeObject,
  next: () => void step(1),
  previous: () => void step(-1),
  undo: () => void undo(),
  redo,
  fit: fitNext,
  zoomIn: () => stage.camera?.zoom(1.25),
  zoomOut: () => stage.camera?.zoom(0.8),
  hide: () => useUi.setState(({ hidden }) => ({ hidden: !hidden })),
  names: () => toggleLayer("names"),
  leave,
  help: () => useUi.setState({ dialog: "help" }),
};

/** By what a key writes, not where it lies: keyboards differ. */
const READING = { useKey: true, splitKey: JOINT };

export function useKeys(enabled: boolean): void {
  const bound = Object.keys(ACTIONS) as Action[];
  const all = bound.map((action) => KEYS[action].keys).join(",");
  useHotkeys(
    all,
    (event, hotkey) => {
      const action = bound.find((one) => KEYS[one].keys.split(",").includes(hotkey.hotkey));
      if (action === undefined) return;
      // A button that has the focus is pressed by Enter; the page is not accepted along with it.
      const pressed = event.target instanceof HTMLElement && event.target.closest("button, a, [role=option]");
      if (action === "accept" && pressed) return;
      event.preventDefault();
      ACTIONS[action]();
    },
    { ...READING, enabled },
    [],
  );
  useHotkeys(
    KEYS.nudge.keys,
    (event) => {
      if (event.target instanceof Element && event.target.closest("[data-arrows]")) return;
      event.preventDefault();
      nudge(event.key, event.shiftKey ? 10 : 1);
    },
    { ...READING, enabled },
    [],
  );
}
