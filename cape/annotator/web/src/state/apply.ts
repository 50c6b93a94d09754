/**
 * What an operation does to the documents: pure functions.
 *
 * An edit is shown before the server has it. A document's revision goes up by exactly one with each operation, so the
 * page can number its own edits ahead and later ones build on earlier ones while they wait.
 */

import type { Category, Change, Changed, Instance, InstanceDraft, Picture } from "../api/types";

export interface Documents {
  readonly categories: Readonly<Record<string, Category>>;
  readonly pictures: Readonly<Record<string, Picture>>;
  readonly instances: Readonly<Record<string, Instance>>;
}

export const NOTHING: Documents = { categories: {}, pictures: {}, instances: {} };

/** The document that a change touches: "instance/abc". */
export function subject(change: Change): string {
  switch (change.change) {
    case "put_instance":
      return `instance/${change.instance.id}`;
    case "delete_instance":
      return `instance/${change.instance_id}`;
    case "put_category":
      return `category/${change.category.id}`;
    case "delete_category":
      return `category/${change.category_id}`;
    case "set_picture":
      return `picture/${change.picture_id}`;
  }
}

function putInstance(before: Instance | undefined, draft: InstanceDraft, revision: number): Instance {
  // Points of retired keypoints may be left out: they are kept.
  const sent = new Set(draft.points.map((point) => point.keypoint));
  const kept = (before?.points ?? []).filter((point) => !sent.has(point.keypoint));
  return { ...draft, points: [...draft.points, ...kept], revision, deleted: false, updated: before?.updated ?? "" };
}

function applyChange(documents: Documents, change: Change): Documents {
  const revision = change.base_revision + 1;
  const { instances, categories, pictures } = documents;
  switch (change.change) {
    case "put_instance": {
      const { instance } = change;
      const after = putInstance(instances[instance.id], instance, revision);
      return { ...documents, instances: { ...instances, [instance.id]: after } };
    }
    case "delete_instance": {
      const before = instances[change.instance_id];
      if (before === undefined) return documents;
      return { ...documents, instances: { ...instances, [before.id]: { ...before, revision, deleted: true } } };
    }
    case "put_category": {
      const { category } = change;
      const before = categories[category.id];
      const stays = new Set(category.keypoints.map((keypoint) => keypoint.id));
      const retired = [...(before?.keypoints ?? []), ...(before?.retired ?? [])].filter(({ id }) => !stays.has(id));
      return {
        ...documents,
        categories: { ...categories, [category.id]: { ...category, retired, revision, deleted: false } },
      };
    }
    case "delete_category": {
      const before = categories[change.category_id];
      if (before === undefined) return documents;
      return { ...documents, categories: { ...categories, [before.id]: { ...before, revision, deleted: true } } };
    }
    case "set_picture": {
      const before = pictures[change.picture_id];
      if (before === undefined) return documents;
      const after = { ...before, revision, state: change.state };
      return { ...documents, pictures: { ...pictures, [before.id]: after } };
    }
  }
}

/** The documents as they will be once the server has these changes. */
export function applyChanges(documents: Documents, changes: readonly Change[]): Documents {
  return changes.reduce(applyChange, documents);
}

function merged<T extends { id: string; revision: number }>(
  kind: string,
  into: Readonly<Record<string, T>>,
  fresh: readonly T[] | undefined,
  waiting: ReadonlySet<string>,
): Readonly<Record<string, T>> {
  const news = (fresh ?? []).filter(({ id, revision }) => {
    // Own edits that still wait are newer than whatever comes.
    return !waiting.has(`${kind}/${id}`) && revision >= (into[id]?.revision ?? 0);
  });
  return news.length === 0 ? into : { ...into, ...Object.fromEntries(news.map((item) => [item.id, item])) };
}

/** The documents after news from the server, except where own edits still wait to be sent. */
export function applyNews(documents: Documents, changed: Partial<Changed>, waiting: ReadonlySet<string>): Documents {
  return {
    categories: merged("category", documents.categories, changed.categories, waiting),
    pictures: merged("picture", documents.pictures, changed.pictures, waiting),
    instances: merged("instance", documents.instances, changed.instances, waiting),
  };
}

/** As the server takes it back: without what only the server says. */
export function draftOf(instance: Instance): InstanceDraft {
  const { revision: _revision, deleted: _deleted, updated: _updated, ...draft } = instance;
  return draft;
}

/** The same changes on top of what the server has now: somebody chose to keep his own version. */
export function rebase(changes: readonly Change[], revisions: ReadonlyMap<string, number>): Change[] {
  return changes.map((change) => ({ ...change, base_revision: revisions.get(subject(change)) ?? change.base_revision }));
}
