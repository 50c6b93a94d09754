/** Pictures into the project: files and whole folders, two at a time. */

import { create } from "zustand";

import { send, wordsOf } from "../api/client";
import { openPicture } from "./flow";
import { refreshSoon, reloadList } from "./load";
import { session } from "./session";
import { ui } from "./view";

const LANES = 2;
const MOST_FAILURES = 50;
const READ = /\.(jpe?g|png|webp|tiff?)$/i;

interface Named {
  readonly file: File;
  readonly name: string;
}

interface Uploads {
  readonly total: number;
  readonly done: number;
  readonly known: number;
  readonly failures: readonly { name: string; words: string }[];
}

const NONE: Uploads = { total: 0, done: 0, known: 0, failures: [] };
export const useUploads = create<Uploads>()(() => NONE);

/** Of a list of chosen files; other kinds are left out by name, the server looks into the rest. */
export function fromInput(files: FileList | null): Named[] {
  return [...(files ?? [])]
    .filter((file) => READ.test(file.name))
    .map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

/** Of what was dropped, folders with all that is in them. */
export async function fromDrop(items: DataTransferItemList): Promise<Named[]> {
  // The list is emptied as soon as the drop's event is over: entries first, then wait.
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = await Promise.all(entries.map((entry) => within(entry, "")));
  return found.flat().sort((a, b) => a.name.localeCompare(b.name));
}

async function within(entry: FileSystemEntry, folder: string): Promise<Named[]> {
  const name = folder + entry.name;
  if (entry instanceof FileSystemFileEntry || entry.isFile) {
    if (!READ.test(entry.name)) return [];
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, name }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // A folder is told in stretches; an empty one ends it.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    all.push(...some);
  }
  return (await Promise.all(all.map((child) => within(child, `${name}/`)))).flat();
}

export async function upload(files: readonly Named[]): Promise<void> {
  const { done, total, failures, known } = useUploads.getState();
  useUploads.setState(done === total ? { ...NONE, total: files.length } : { done, known, failures, total: total + files.length });
  const waiting = [...files];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await one(next);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await reloadList().catch(() => undefined);
  refreshSoon(0);
  if (ui().pictureId === null) await openPicture(session().order[0] ?? null);
}

async function one({ file, name }: Named): Promise<void> {
  const query = new URLSearchParams({ name });
  try {
    const { existing } = await send<{ existing: boolean }>(`/api/pictures?${query}`, file);
    useUploads.setState(({ done, known }) => ({ done: done + 1, known: known + (existing ? 1 : 0) }));
  } catch (error) {
    const failure = { name, words: wordsOf(error) };
    useUploads.setState(({ done, failures }) => ({
      done: done + 1,
      failures: [...failures, failure].slice(0, MOST_FAILURES),
    }));
  }
}
