/** What is read and written. */

export type FormatId = "coco" | "yolo" | "cvat" | "labelstudio" | "dlc" | "csv";

export interface FormatWords {
  readonly id: FormatId;
  readonly title: string;
  readonly words: string;
  /** What the file for an import is. */
  readonly file: string;
  readonly accepts: string;
}

export const FORMATS: readonly FormatWords[] = [
  { id: "coco", title: "COCO keypoints", words: "One JSON; three visibilities", file: "a .json file", accepts: ".json" },
  { id: "yolo", title: "YOLO-pose", words: "A text file a picture, data.yaml", file: "a .zip of the folder", accepts: ".zip" },
  { id: "cvat", title: "CVAT", words: "XML for images 1.1, skeletons", file: "an .xml file", accepts: ".xml" },
  {
    id: "labelstudio",
    title: "Label Studio",
    words: "Tasks and a labelling config",
    file: "a .json file, or a .zip with its config",
    accepts: ".json,.zip",
  },
  { id: "dlc", title: "DeepLabCut", words: "CollectedData.csv", file: "a .csv file", accepts: ".csv" },
  { id: "csv", title: "CSV table", words: "A row a point, for spreadsheets", file: "a .csv file", accepts: ".csv" },
];
