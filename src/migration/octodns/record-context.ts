import type { Places } from '../../geo/places.ts';
import type { Notes, Say } from '../notes.ts';
import type { TreeMap } from '../tree.ts';
import type { RecordSettings } from './settings.ts';

/** What those who read a record know of it. */
export type RecordContext = {
  readonly type: string;
  readonly record: TreeMap;
  readonly settings: RecordSettings;
  readonly ttl: number;
  readonly notes: Notes;
  readonly places: Places;
  /** For what octoDNS refuses as well: an error, of a lenient record a warning. */
  readonly sayStrict: Say;
};
