/** The middle of the page: what to do next, the picture, and the tools under it. */

import { useEffect, useMemo, useState } from "react";

import { imageAddress } from "../api/client";
import type { Category, Instance } from "../api/types";
import type { Place } from "../geometry/view";
import type { Figure } from "../stage/markers";
import { Stage } from "../stage/Stage";
import { draftOf } from "../state/apply";
import { predictionKey } from "../state/load";
import { correctionsKey, figureOf, following, proposed, SUGGESTION } from "../state/pose";
import { type Session, useSession } from "../state/session";
import { choose, setUi, useUi } from "../state/view";
import { move, place, setBox } from "../state/work";
import { onCursor } from "../ui/moves";
import { Prompt } from "./Prompt";
import { Toolbar } from "./Toolbar";

const NO_SIZE = { width: 1, height: 1 };

function refinedFor(instance: Instance, refined: Session["refined"]) {
  const kept = refined[instance.id];
  return kept !== undefined && kept.key === correctionsKey(instance) ? kept.prediction : undefined;
}

/** The picture's objects of the chosen category as they are drawn. */
export function useFigures(category: Category | null, pictureId: string | null): readonly Figure[] {
  const instances = useSession((state) => state.documents.instances);
  const refined = useSession((state) => state.refined);
  const predictions = useSession((state) => state.predictions);
  const suggested = useUi((state) => state.figureId === SUGGESTION);
  const picture = useSession((state) => (pictureId === null ? undefined : state.documents.pictures[pictureId]));
  return useMemo(() => {
    if (category === null || pictureId === null || picture === undefined) return [];
    const there = Object.values(instances).filter(
      (one) =>
        one.picture_id === pictureId && one.category_id === category.id && !one.deleted && one.state !== "rejected",
    );
    const prediction = predictions[predictionKey(pictureId, category.id)];
    if (there.length === 0 && suggested && prediction?.category_revision === category.revision) {
      return [figureOf(proposed(prediction, SUGGESTION, picture), category, "the suggestion", prediction)];
    }
    return there.map((one, index) => {
      const seen = refinedFor(one, refined);
      return figureOf(following(draftOf(one), seen, picture), category, `object ${index + 1}`, seen ?? prediction);
    });
  }, [instances, refined, predictions, category, pictureId, picture, suggested]);
}

const select = (index: number | null) => setUi(({ placing }) => (placing ? {} : { point: index }));
const chooseFigure = (id: string) => choose(id);

export function Workbench({ category, figures }: { category: Category | null; figures: readonly Figure[] }) {
  const view = useUi();
  const picture = useSession((state) => (view.pictureId === null ? undefined : state.documents.pictures[view.pictureId]));
  const [cursor, setCursor] = useState<Place | null>(null);
  useEffect(() => onCursor(setCursor), []);
  const size = useMemo(
    () => (picture === undefined ? NO_SIZE : { width: picture.width, height: picture.height }),
    [picture?.width, picture?.height],
  );
  return (
    <main className="centre">
      <Prompt category={category} />
      <Stage
        address={picture === undefined ? null : imageAddress(picture.id)}
        title={picture?.file ?? "no picture"}
        size={size}
        figures={figures}
        active={view.figureId}
        selected={view.point}
        placing={view.placing}
        boxing={view.boxing}
        layers={view.layers}
        hidden={view.hidden}
        threshold={view.threshold}
        brightness={view.brightness}
        contrast={view.contrast}
        cursor={view.placing ? cursor : null}
        onSelect={select}
        onFigure={chooseFigure}
        onPlace={place}
        onMove={move}
        onBox={setBox}
      />
      <Toolbar />
    </main>
  );
}
