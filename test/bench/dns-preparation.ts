/**
 * A thread that makes what the servers and the load generator are given: seconds of computing, during which the bench
 * must still hear Ctrl-C.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { opened, readCentroids, readCountries } from '../geo/fixtures.ts';
import {
  type Data,
  makeWorkloads,
  placesOf,
  type Workload,
  writeSharedDatabase,
} from './dns-workload.ts';

export type Preparation = {
  /** The bytes of the .mmdb file. */
  readonly database: Uint8Array;
  readonly workloads: readonly Workload[];
  /** Each country with the region that is nearest to it. */
  readonly places: readonly (readonly [country: string, region: number])[];
};

export async function prepare(data: Data = 'country'): Promise<Preparation> {
  const thread = new Worker(new URL(import.meta.url), { workerData: data });
  const [preparation] = await once(thread, 'message');
  return preparation;
}

if (!isMainThread) {
  const geo = opened(readCountries(), readCentroids());
  const preparation: Preparation = {
    database: writeSharedDatabase(geo, workerData as Data),
    workloads: makeWorkloads(geo),
    places: placesOf(geo),
  };
  parentPort?.postMessage(preparation);
}
