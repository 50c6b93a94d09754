/** The server's words, as its description tells them. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Box = Schemas["Box"];
export type Category = Schemas["Category"];
export type CategoryDraft = Schemas["CategoryDraft"];
export type CategoryPreview = Schemas["CategoryPreview"];
export type Check = Schemas["Check"];
export type Conflict = Schemas["Conflict"];
export type History = Schemas["History"];
export type Imported = Schemas["Imported"];
export type Instance = Schemas["Instance"];
export type InstanceDraft = Schemas["InstanceDraft"];
export type Keypoint = Schemas["Keypoint"];
export type Operation = Schemas["Operation"];
export type OperationDraft = Schemas["OperationDraft"];
export type Change = OperationDraft["changes"][number];
export type Changed = Schemas["Changed"];
export type Picture = Schemas["Picture"];
export type PictureDetail = Schemas["PictureDetail"];
export type Point = Schemas["Point"];
export type Prediction = Schemas["Prediction"];
export type Problem = Schemas["Problem"];
export type Progress = Schemas["Progress"];
export type Project = Schemas["Project"];
export type QueueEntry = Schemas["QueueEntry"];
export type ShotCheck = Schemas["ShotCheck"];
export type SuggestedName = Schemas["SuggestedName"];
