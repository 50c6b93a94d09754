/** Every key of the page, in one list: what works is what the help shows. */

/** Between a modifier and its key; not the plus sign, which is a key. */
export const JOINT = "&";

export interface Key {
  readonly keys: string;
  readonly shown: readonly string[];
  readonly words: string;
}

export const KEYS = {
  accept: { keys: "enter", shown: ["Enter"], words: "Accept the picture and go on" },
  absent: { keys: "a", shown: ["A"], words: "Point is absent (while placing: and go on)" },
  occluded: { keys: "o", shown: ["O"], words: "Point is occluded (while placing: the next click)" },
  stepBack: { keys: "backspace", shown: ["Backspace"], words: "Back to the point before" },
  clear: { keys: "delete", shown: ["Delete"], words: "Clear the chosen point, to place it anew" },
  nextPoint: { keys: "e", shown: ["E"], words: "Next point" },
  previousPoint: { keys: "w", shown: ["W"], words: "Previous point" },
  doubtful: { keys: "d", shown: ["D"], words: "Next point below the threshold" },
  nudge: {
    keys: "up,down,left,right,shift&up,shift&down,shift&left,shift&right",
    shown: ["Arrows"],
    words: "Move the chosen point by a pixel (Shift: ten), or the placing cursor",
  },
  place: { keys: "p", shown: ["P"], words: "Place the next point at the cursor" },
  swap: { keys: "s", shown: ["S"], words: "Swap left and right (of the chosen point, or of all)" },
  copy: { keys: "c", shown: ["C"], words: "Copy the pose accepted before" },
  suggest: { keys: "g", shown: ["G"], words: "Let the model propose" },
  findAll: { keys: "m", shown: ["M"], words: "Let the model find several objects" },
  reject: { keys: "r", shown: ["R"], words: "Reject what the model proposes" },
  teach: { keys: "t", shown: ["T"], words: "Show the model this object, too" },
  another: { keys: "i", shown: ["I"], words: "Another object in this picture" },
  other: { keys: "q", shown: ["Q"], words: "Next object in this picture" },
  box: { keys: "b", shown: ["B"], words: "Draw the box" },
  remove: { keys: "x", shown: ["X"], words: "Remove the object" },
  next: { keys: "pagedown,j", shown: ["Page Down", "J"], words: "Next picture" },
  previous: { keys: "pageup,k", shown: ["Page Up", "K"], words: "Previous picture" },
  undo: { keys: "mod&z", shown: ["Ctrl", "Z"], words: "Undo" },
  redo: { keys: "mod&shift&z,mod&y", shown: ["Ctrl", "Shift", "Z"], words: "Do again" },
  fit: { keys: "f", shown: ["F"], words: "Fit the object; again: the whole picture" },
  zoomIn: { keys: "=,shift&+,+", shown: ["+"], words: "Zoom in (wheel: at the pointer)" },
  zoomOut: { keys: "-", shown: ["−"], words: "Zoom out" },
  pan: { keys: "", shown: ["Space", "drag"], words: "Pan (or drag beside a point, or the middle button)" },
  hide: { keys: "h", shown: ["H"], words: "Hide or show the drawing" },
  names: { keys: "n", shown: ["N"], words: "Names on or off" },
  leave: { keys: "escape", shown: ["Esc"], words: "Leave placing or drawing" },
  help: { keys: "shift&?,?", shown: ["?"], words: "This list" },
} as const satisfies Record<string, Key>;

export const GROUPS: readonly (readonly [string, readonly (keyof typeof KEYS)[]])[] = [
  ["Placing", ["absent", "occluded", "stepBack", "clear", "place", "leave"]],
  ["Correcting", ["nudge", "previousPoint", "nextPoint", "doubtful", "swap", "copy", "undo", "redo"]],
  ["The model", ["accept", "reject", "suggest", "findAll", "teach"]],
  ["Objects and pictures", ["another", "other", "box", "remove", "next", "previous"]],
  ["Looking", ["fit", "zoomIn", "zoomOut", "pan", "hide", "names", "help"]],
];
