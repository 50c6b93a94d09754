/** The typed way to the server; every error is a `Refusal` that says what the server said. */

import createClient from "openapi-fetch";

import type { paths } from "./schema";
import type { Problem } from "./types";

export const api = createClient<paths>({ baseUrl: "/" });

/** The server answered, and said no. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
    readonly retryAfter: number | null,
  ) {
    super(problem.message);
  }
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

function isProblem(error: unknown): error is Problem {
  return typeof error === "object" && error !== null && "message" in error && "code" in error;
}

export function refusalOf(response: Response, error: unknown): Refusal {
  const said = isProblem(error)
    ? error
    : { code: "refused", message: `The server refused with ${response.status}.`, conflicts: [], fields: [] };
  const after = Number(response.headers.get("Retry-After"));
  return new Refusal(response.status, said, Number.isFinite(after) && after > 0 ? after : null);
}

/** The answer's data, or a Refusal; a TypeError where the server could not be reached. */
export async function ask<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok || data === undefined) throw refusalOf(response, error);
  return data;
}

/** A file as the body of a request. */
export async function send<T>(address: string, file: Blob, signal?: AbortSignal): Promise<T> {
  const response = await fetch(address, {
    method: "POST",
    body: file,
    headers: { "Content-Type": "application/octet-stream" },
    ...(signal ? { signal } : {}),
  });
  const said: unknown = await response.json().catch(() => null);
  if (!response.ok) throw refusalOf(response, said);
  return said as T;
}

/** True where it is worth trying again: nobody answered, or the server is busy, starting or stopping. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 408 || error.status >= 500;
  return !(error instanceof DOMException && error.name === "AbortError");
}

export function wordsOf(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  if (error instanceof TypeError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}

export const imageAddress = (picture: string): string => `/api/pictures/${picture}/image`;
export const thumbnailAddress = (picture: string): string => `/api/pictures/${picture}/thumbnail`;
