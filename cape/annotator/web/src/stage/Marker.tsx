/** One keypoint on the picture: an element that the keyboard and a screen reader reach. */

import { memo } from "react";

import { ellipseOf } from "../geometry/ellipse";
import { translate } from "./drawing";
import { isDoubtful, type Layers, type Marker, spoken } from "./markers";

const RING = 10;

/** The part of the ring that a score fills, clockwise from the top. A path: dashes cost much more to draw. */
function arc(score: number): string {
  const angle = Math.min(Math.max(score, 0), 0.9999) * 2 * Math.PI;
  const [x, y] = [RING * Math.sin(angle), -RING * Math.cos(angle)];
  return `M0 ${-RING}A${RING} ${RING} 0 ${angle > Math.PI ? 1 : 0} 1 ${x.toFixed(2)} ${y.toFixed(2)}`;
}

interface Props {
  readonly marker: Marker;
  readonly selected: boolean;
  readonly doubtful: boolean;
  readonly rings: boolean;
  readonly named: boolean;
  readonly onSelect: (index: number) => void;
}

/** The marker itself; its size on the screen stays. */
export const MarkerView = memo(function MarkerView({ marker, selected, doubtful, rings, named, onSelect }: Props) {
  const { index, name, place, visibility, score } = marker;
  if (place === null) return null;
  const classes = ["point", visibility, selected && "selected", doubtful && "doubtful", score === null && "human"];
  return (
    <g
      className={classes.filter(Boolean).join(" ")}
      transform={translate(place)}
      data-point={index}
      data-x={place.x}
      data-y={place.y}
      role="button"
      tabIndex={0}
      aria-label={spoken(marker)}
      aria-pressed={selected}
      onFocus={() => onSelect(index)}
    >
      <g className="upright">
        <circle className="grip" r={13} />
        {rings && score !== null && (
          <>
            <circle className="track" r={RING} />
            <path className="arc" d={arc(score)} />
          </>
        )}
        {selected && <circle className="halo" r={RING + 4} />}
        <circle className="dot" r={4.5} />
        {(named || selected) && (
          <text className="tag" x={14} y={-9}>
            {name}
            {score !== null && selected ? ` ${Math.round(score * 100)} %` : ""}
          </text>
        )}
      </g>
    </g>
  );
});

interface DoubtProps {
  readonly marker: Marker;
  readonly layers: Layers;
  readonly threshold: number;
  readonly selected: boolean;
}

/** Where the model thinks the point may be (one standard deviation), and what its branches say where they differ. */
export const Doubt = memo(function Doubt({ marker, layers, threshold, selected }: DoubtProps) {
  const { index, place, branches } = marker;
  if (place === null) return null;
  const ellipse = layers.ellipses ? ellipseOf(marker.covariance) : null;
  const classes = ["ellipse", isDoubtful(marker, threshold) && "doubtful", selected && "chosen"];
  return (
    <>
      {ellipse !== null && (
        <ellipse
          className={classes.filter(Boolean).join(" ")}
          data-ellipse={index}
          rx={ellipse.rx}
          ry={ellipse.ry}
          transform={`${translate(place)} rotate(${ellipse.angle})`}
        />
      )}
      {layers.branches && branches.length > 1 && (
        <g className="branches" data-branches={index} aria-hidden="true">
          {branches.map((branch, which) => (
            <g key={`${branch.x},${branch.y}`}>
              <line x1={place.x} y1={place.y} x2={branch.x} y2={branch.y} />
              <g transform={translate(branch)}>
                <g className="upright">
                  <rect x={-4} y={-4} width={8} height={8} transform="rotate(45)" />
                  <text x={8} y={4}>
                    {which === 0 ? "picture" : "text"}
                  </text>
                </g>
              </g>
            </g>
          ))}
        </g>
      )}
    </>
  );
});
