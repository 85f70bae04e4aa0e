import type {
  ClusterStatus,
  EventRecord,
  Explanation,
  Problem,
  RegionStatus,
  ZoneStatus,
} from '../control/control-plane.ts';
import type { NodeStatus } from '../control/node-status.ts';

/**
 * The page's only way to the world: the admin API, with no privilege that another client lacks.
 * A token is kept for the tab's life and sent only to the API that the page came from.
 */
export type Reply<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: number; readonly message: string };

const TOKEN_KEY = 'meridian-token';

export const readStatus = (): Promise<Reply<NodeStatus>> => get('status');
export const readRegions = (): Promise<Reply<readonly RegionStatus[]>> => get('regions');
export const readCluster = (): Promise<Reply<ClusterStatus>> => get('nodes');
export const readZones = (): Promise<Reply<readonly ZoneStatus[]>> => get('zones');
export const readEvents = (count: number): Promise<Reply<readonly EventRecord[]>> =>
  get(`events?count=${count}`);
/** @param at an instant as the API reads it; '' = now */
export const explain = (name: string, client: string, at: string): Promise<Reply<Explanation>> =>
  get(`explain?${new URLSearchParams({ name, ...(client && { client }), ...(at && { at }) })}`);

export const hasToken = (): boolean => sessionStorage.getItem(TOKEN_KEY) !== null;

export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

async function get<T>(path: string): Promise<Reply<T>> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  try {
    const response = await fetch(`api/v1/${path}`, {
      headers: token ? { authorization: `Bearer ${token}` } : {},
    });
    const body: unknown = await response.json();
    if (response.ok) return { ok: true, value: itemsOf(body) as T };
    const { detail, title, hint } = body as { detail?: string; title?: string } & Partial<Problem>;
    const message = [detail ?? title ?? `HTTP ${response.status}`, hint].filter(Boolean).join(' ');
    return { ok: false, status: response.status, message };
  } catch {
    return { ok: false, status: 0, message: 'The node does not answer.' };
  }
}

/** Lists come as they are or as `{ items }`. */
function itemsOf(body: unknown): unknown {
  const items = (body as { items?: unknown } | null)?.items;
  return Array.isArray(items) ? items : body;
}
