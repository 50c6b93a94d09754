/** A new project: pictures first, then what to look for in them. */

import { useSession } from "../state/session";
import { setUi } from "../state/view";
import { DropZone } from "./DropZone";

export function Start({ pictures, categories }: { pictures: number; categories: number }) {
  const project = useSession((state) => state.project);
  return (
    <main className="start">
      <div className="sheet">
        <p className="headline">{project?.name}</p>
        <p className="muted">
          Click and name the points on one picture; the model finds them on all others. You correct the worst first.
        </p>
        <ol className="steps">
          <li data-done={pictures > 0 || undefined}>
            <h2>1. Pictures</h2>
            {pictures > 0 ? (
              <p className="muted">
                {pictures} in the project.{" "}
                <button type="button" className="link" onClick={() => setUi({ dialog: "add" })}>
                  Add more
                </button>
              </p>
            ) : project?.scanning ? (
              <p className="muted" role="status">
                Looking through the folder…
              </p>
            ) : (
              <DropZone />
            )}
          </li>
          <li data-done={categories > 0 || undefined}>
            <h2>2. What to look for</h2>
            <p className="muted">A category is a name and its points: a chair with its legs and seat, a hand with its joints.</p>
            <div className="row">
              <button
                type="button"
                className={pictures > 0 ? "button primary large" : "button large"}
                onClick={() => setUi({ screen: "category", categoryId: null })}
              >
                Make a category
              </button>
              <button type="button" className="button large" onClick={() => setUi({ dialog: "import" })}>
                Import labels
              </button>
            </div>
          </li>
        </ol>
      </div>
    </main>
  );
}
