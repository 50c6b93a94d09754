/** The drawing of one annotated object. */

import { memo } from "react";

import { HANDLES, handlePlace } from "../geometry/boxes";
import { translate } from "./drawing";
import { Doubt, MarkerView } from "./Marker";
import { type Figure, isDoubtful, isDrawn, type Layers } from "./markers";

/** Beyond so many, names would cover the picture: only the chosen one is shown. */
const MOST_NAMES = 24;
/** Beyond so many, what only makes markers prettier is left out: a frame has 33 ms. */
const DENSE = 60;

interface Props {
  readonly figure: Figure;
  readonly layers: Layers;
  readonly threshold: number;
  readonly selected: number | null;
  readonly onSelect: (index: number) => void;
}

export const ActiveFigure = memo(function ActiveFigure({ figure, layers, threshold, selected, onSelect }: Props) {
  const drawn = figure.markers.filter(isDrawn);
  const named = layers.names && drawn.length <= MOST_NAMES;
  return (
    <g className={drawn.length > DENSE ? "figure active dense" : "figure active"}>
      {layers.boxes && figure.box !== null && (
        <g className="frame">
          <rect
            className="box"
            x={figure.box[0]}
            y={figure.box[1]}
            width={figure.box[2]}
            height={figure.box[3]}
          />
          {HANDLES.map((handle) => (
            <g key={handle} transform={figure.box === null ? "" : translate(handlePlace(figure.box, handle))}>
              <rect className={`handle ${handle} upright`} data-handle={handle} x={-5} y={-5} width={10} height={10} />
            </g>
          ))}
        </g>
      )}
      <g transform="translate(.5 .5)">
        {layers.edges && <Edges figure={figure} />}
        {drawn.map((marker) => (
          <Doubt
            key={marker.index}
            marker={marker}
            layers={layers}
            threshold={threshold}
            selected={marker.index === selected}
          />
        ))}
        {drawn.map((marker) => (
          <MarkerView
            key={marker.index}
            marker={marker}
            selected={marker.index === selected}
            doubtful={isDoubtful(marker, threshold)}
            rings={layers.rings}
            named={named}
            onSelect={onSelect}
          />
        ))}
      </g>
    </g>
  );
});

function Edges({ figure }: { figure: Figure }) {
  return (
    <g className="edges" aria-hidden="true">
      {figure.edges.map(([a, b]) => {
        const [from, to] = [figure.markers[a], figure.markers[b]];
        if (from === undefined || to === undefined || !isDrawn(from) || !isDrawn(to)) return null;
        const ends = { x1: from.place.x, y1: from.place.y, x2: to.place.x, y2: to.place.y };
        const marks = { "data-from": a, "data-to": b };
        return (
          <g key={`${a}-${b}`}>
            <line className="casing" {...ends} {...marks} />
            <line className="bone" {...ends} {...marks} />
          </g>
        );
      })}
    </g>
  );
}

interface QuietProps {
  readonly figure: Figure;
  readonly layers: Layers;
  readonly onFigure: (id: string) => void;
}

/** Another object of the picture: one click makes it the active one. */
export const QuietFigure = memo(function QuietFigure({ figure, layers, onFigure }: QuietProps) {
  return (
    <g
      className="figure quiet"
      data-figure={figure.id}
      role="button"
      tabIndex={0}
      aria-label={`Choose ${figure.title}`}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        onFigure(figure.id);
      }}
    >
      {figure.box !== null && (
        <rect className="box" x={figure.box[0]} y={figure.box[1]} width={figure.box[2]} height={figure.box[3]} />
      )}
      <g transform="translate(.5 .5)">
        {layers.edges && <Edges figure={figure} />}
        {figure.markers.filter(isDrawn).map(({ index, place }) => (
          <g key={index} transform={translate(place)}>
            <circle className="dot upright" r={4} />
          </g>
        ))}
      </g>
    </g>
  );
});
