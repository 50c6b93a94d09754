/** The pictures: what to review first and why, all of them, the finished ones, and what looks odd in those. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef } from "react";

import { thumbnailAddress } from "../api/client";
import type { Check, QueueEntry } from "../api/types";
import { openPicture } from "../state/flow";
import { loadStretch, refresh } from "../state/load";
import { useSession } from "../state/session";
import { type Listing, setUi, useUi } from "../state/view";
import { IconButton } from "../ui/Icon";
import { focusPoint } from "../ui/moves";
import { count } from "../ui/words";

const TABS: readonly (readonly [Listing, string])[] = [
  ["review", "Review"],
  ["all", "All"],
  ["done", "Done"],
  ["checks", "Checks"],
];
const ROW = 56;
const EMPTY: Record<Listing, string> = {
  review: "Nothing to review. Accept one picture by hand, and the model proposes the others.",
  all: "No pictures yet.",
  done: "Nothing is done yet.",
  checks: "Nothing looks odd in what is done.",
};

const FINISHED = "Every picture is done. Checks tells what looks odd, Export takes the labels out.";

interface Row {
  readonly key: string;
  readonly id: string | undefined;
  readonly words: string;
  readonly confidence: number | null;
  readonly check?: Check;
}

function fromQueue({ picture, reasons, confidence }: QueueEntry): Row {
  return { key: picture.id, id: picture.id, words: reasons.join(" · ") || "ready to accept", confidence: confidence ?? null };
}

function useRows(listing: Listing): readonly Row[] {
  const { order, queue, checks } = useSession();
  const pictures = useSession((state) => state.documents.pictures);
  return useMemo(() => {
    if (listing === "review") return queue.map(fromQueue);
    if (listing === "checks") {
      return checks.map((check, index) => ({
        key: `${check.instance_id}-${check.kind}-${index}`,
        id: check.picture_id,
        words: check.words,
        confidence: null,
        check,
      }));
    }
    const reasons = new Map(queue.map((entry) => [entry.picture.id, entry]));
    const rows = order.map((id, index): Row => {
      const entry = id === undefined ? undefined : reasons.get(id);
      const open = id !== undefined && pictures[id]?.state === "open";
      return { key: id ?? `row-${index}`, id, words: "", confidence: (open ? entry?.confidence : null) ?? null };
    });
    return listing === "done" ? rows.filter(({ id }) => id !== undefined && pictures[id]?.state === "done") : rows;
  }, [listing, order, queue, checks, pictures]);
}

export function PictureList() {
  const { listing, pictureId } = useUi();
  const rows = useRows(listing);
  const scroll = useRef<HTMLDivElement>(null);
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 6,
    getItemKey: (index) => rows[index]?.key ?? index,
  });
  const finished = useSession(({ progress }) => progress !== null && progress.open === 0);
  const items = list.getVirtualItems();
  const holes = listing === "all" ? items.find(({ index }) => rows[index]?.id === undefined)?.index : undefined;
  useEffect(() => {
    if (holes !== undefined) void loadStretch(holes).catch(() => undefined);
  }, [holes]);
  useEffect(() => {
    const at = rows.findIndex((row) => row.id === pictureId);
    if (at >= 0) list.scrollToIndex(at, { align: "auto" });
    // Only another picture scrolls the list; rows that come later leave it where it is.
  }, [pictureId, listing]);
  return (
    <nav className="side left" aria-label="Pictures">
      <header className="stack">
        <div className="row">
          <h2>Pictures</h2>
          <span className="spread">
            <IconButton icon="add" label="Add pictures" onClick={() => setUi({ dialog: "add" })} />
          </span>
        </div>
        <div className="tabs" role="group" aria-label="Which pictures">
          {TABS.map(([name, words]) => (
            <button
              key={name}
              type="button"
              aria-pressed={listing === name}
              onClick={() => {
                setUi({ listing: name });
                void refresh();
              }}
            >
              {words}
            </button>
          ))}
        </div>
      </header>
      <div className="scroll" ref={scroll} tabIndex={-1}>
        {rows.length === 0 ? (
          <p className="empty small">{listing === "review" && finished ? FINISHED : EMPTY[listing]}</p>
        ) : (
          <ul className="pictures" style={{ height: list.getTotalSize() }}>
            {items.map((item) => {
              const row = rows[item.index];
              if (row === undefined) return null;
              return (
                <li key={item.key} style={{ height: ROW, transform: `translateY(${item.start}px)` }}>
                  <PictureRow row={row} current={row.id === pictureId} />
                </li>
              );
            })}
          </ul>
        )}
      </div>
    </nav>
  );
}

async function open(row: Row): Promise<void> {
  await openPicture(row.id ?? null);
  if (row.check === undefined) return;
  setUi({ figureId: row.check.instance_id, placing: false });
  const { documents } = useSession.getState();
  const category = documents.categories[useUi.getState().categoryId ?? ""];
  const at = category?.keypoints.findIndex(({ id }) => id === row.check?.keypoints[0]) ?? -1;
  if (at >= 0) focusPoint(at);
}

function PictureRow({ row, current }: { row: Row; current: boolean }) {
  const picture = useSession((state) => (row.id === undefined ? undefined : state.documents.pictures[row.id]));
  const objects = useSession((state) => (row.id === undefined ? 0 : (state.counts[row.id] ?? 0)));
  const threshold = useUi((state) => state.threshold);
  if (row.id === undefined || picture === undefined) return <div className="picture blank" />;
  const name = picture.file.split("/").at(-1) ?? picture.file;
  const state = picture.state === "done" ? "done" : picture.state === "skipped" ? "skipped" : "";
  const words = row.words || state || (objects > 0 ? count(objects, "object") : "open");
  return (
    <button
      type="button"
      className="picture"
      aria-current={current ? "true" : undefined}
      title={`${picture.file}: ${words}`}
      onClick={() => void open(row)}
    >
      <img src={thumbnailAddress(row.id)} alt="" width={44} height={44} loading="lazy" decoding="async" />
      <span className="about">
        <span className="name">{name}</span>
        <span className="words">{words}</span>
      </span>
      {row.confidence !== null && (
        <span className={row.confidence < threshold ? "score doubtful" : "score"}>
          {Math.round(row.confidence * 100)} %
        </span>
      )}
      {state === "done" && row.check === undefined && (
        <span className="mark" aria-hidden="true">
          ✓
        </span>
      )}
    </button>
  );
}
