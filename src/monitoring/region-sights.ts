import { checkKeys } from '../health/composite.ts';
import { participates, type Vote } from '../health/quorum.ts';
import type { Sight } from '../health/self-trust.ts';
import type { BoardState } from './health-rows.ts';

/**
 * What a vantage point sees of the other regions, each as one thing: failing when all that it probes
 * there fails, confirmed when somebody elsewhere whose word is worth something sees some of it failing
 * too. That is one who trusts itself; and one who does not, if the two see each other's regions well, or
 * the same region where one is in none: their eyes reach that far, and else those who are left when
 * regions die, and who see it a moment apart, would wait for each other's trust for ever.
 */
export function regionSights(state: BoardState, vantage: string, nowMs: number): readonly Sight[] {
  const { book } = state;
  const own = book.word(vantage)?.group;
  const regions = [...state.rowsBy.region.keys()].filter((region) => region !== own);
  return regions.flatMap((region) => {
    const view = viewOf(state, vantage, region, nowMs);
    if (view === 'none') return [];
    const failing = view === 'failing';
    const confirmed = failing && isConfirmed(state, vantage, region, nowMs);
    return [{ thing: `region ${region}`, isCanary: false, failing, confirmed }];
  });
}

type View = 'well' | 'failing' | 'none';

/** How the vantage point sees the region, whether it trusts itself or not. */
function viewOf(state: BoardState, vantage: string, region: string, nowMs: number): View {
  let view: View = 'none';
  for (const key of keysOf(state, region)) {
    const vote = state.book.votes(key).find((each) => each.vantage === vantage);
    if (vote === undefined || !isHeard(vote, nowMs)) continue;
    if (isBad(vote)) view = 'failing';
    else if (vote.verdict === 'up') return 'well';
  }
  return view;
}

function isConfirmed(state: BoardState, vantage: string, region: string, nowMs: number): boolean {
  const own = state.book.word(vantage)?.group;
  const worth = new Map<string, boolean>();
  const isWorth = ({ group, trusted, vantage: other }: Vote): boolean => {
    if (trusted) return true;
    const known = worth.get(other);
    if (known !== undefined) return known;
    const isSeen = own === undefined || viewOf(state, other, own, nowMs) !== 'failing';
    const reaches = isSeen && reachEachOther(state, vantage, { group, vantage: other }, nowMs);
    worth.set(other, reaches);
    return reaches;
  };
  return keysOf(state, region).some((key) =>
    state.book
      .votes(key)
      .some((vote) => vote.group !== own && isHeard(vote, nowMs) && isBad(vote) && isWorth(vote)),
  );
}

/** Sees the other's region well; when that is in none, both see one and the same well. */
function reachEachOther(
  state: BoardState,
  vantage: string,
  other: Pick<Vote, 'group' | 'vantage'>,
  nowMs: number,
): boolean {
  const seesWell = (eye: string, region: string): boolean =>
    viewOf(state, eye, region, nowMs) === 'well';
  if (state.rowsBy.region.has(other.group)) return seesWell(vantage, other.group);
  return [...state.rowsBy.region.keys()].some(
    (region) => seesWell(vantage, region) && seesWell(other.vantage, region),
  );
}

function keysOf({ rows, rowsBy }: BoardState, region: string): readonly string[] {
  return (rowsBy.region.get(region) ?? []).flatMap((index) =>
    rows[index]!.endpoint.targets.flatMap(({ check }) => checkKeys(check)),
  );
}

const isHeard = ({ atMs, leaseMs }: Vote, nowMs: number): boolean =>
  participates({ atMs, leaseMs }, nowMs);

const isBad = ({ failing, verdict }: Vote): boolean => failing || verdict === 'down';
