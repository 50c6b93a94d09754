/** Somebody else changed the same thing in the meantime: both versions side by side, and a choice. */

import type { Category, Conflict, Instance, InstanceDraft, Point } from "../api/types";
import { ellipsisOf, summary } from "./differences";
import { resolveConflict } from "../state/commit";
import { useSession } from "../state/session";
import { Modal } from "../ui/Modal";
import { MiniPose } from "./MiniPose";

export function Conflicts() {
  const conflicts = useSession((state) => state.conflicts);
  if (conflicts.length === 0) return null;
  return (
    <Modal
      title="Somebody else changed this, too"
      wide
      actions={
        <>
          <span className="small muted">Nothing is lost: the version that is not kept stays in the log.</span>
          <span className="spread row">
            <button type="button" className="button" onClick={() => void resolveConflict("theirs")}>
              Take theirs
            </button>
            <button type="button" className="button primary" onClick={() => void resolveConflict("mine")}>
              Keep mine
            </button>
          </span>
        </>
      }
    >
      {conflicts.map((conflict) => (
        <ConflictView key={`${conflict.kind}/${conflict.id}`} conflict={conflict} />
      ))}
    </Modal>
  );
}

function isInstance(document: unknown): document is Instance | InstanceDraft {
  return typeof document === "object" && document !== null && "points" in document;
}

function ConflictView({ conflict }: { conflict: Conflict }) {
  const { documents } = useSession();
  const { current, yours, kind } = conflict;
  const instance = isInstance(yours) ? yours : isInstance(current) ? current : null;
  const category = instance === null ? undefined : documents.categories[instance.category_id];
  const picture = instance === null ? undefined : documents.pictures[instance.picture_id];
  return (
    <section className="conflict">
      <h3>{instance === null ? ellipsisOf(kind) : `An object in ${picture?.file ?? "a picture"}`}</h3>
      <div className="versions">
        <Version title="Yours" document={yours} other={current} category={category} />
        <Version title="Theirs" document={current} other={yours} category={category} />
      </div>
    </section>
  );
}

interface VersionProps {
  readonly title: string;
  readonly document: unknown;
  readonly other: unknown;
  readonly category: Category | undefined;
}

function Version({ title, document, other, category }: VersionProps) {
  const points: readonly Point[] = isInstance(document) ? document.points : [];
  const others: readonly Point[] = isInstance(other) ? other.points : [];
  return (
    <figure>
      <figcaption>{title}</figcaption>
      {isInstance(document) && category !== undefined && (
        <MiniPose points={points} others={others} category={category} />
      )}
      <p className="small">{summary(document, other, category)}</p>
    </figure>
  );
}
