import type {
  AcmeChallenge,
  AddedRecordStatus,
  ControlPlane,
} from '../../src/control/control-plane.ts';

type Challenges = Pick<ControlPlane, 'acmeChallenges' | 'setAcmeChallenge' | 'clearAcmeChallenge'>;

/** Challenges of a plane with one other node, which does not confirm those with the value `slow`. */
export function createFixtureChallenges(nowMs: () => number): Challenges {
  let challenges: readonly AcmeChallenge[] = [];
  const visibility = (isSlow: boolean) => ({
    serial: 2026112002,
    visible: !isSlow,
    confirmed: isSlow ? ['node-1'] : ['node-1', 'node-2'],
    pending: isSlow ? ['node-2'] : [],
    silent: [],
  });
  const nameOf = (name: string): string => `_acme-challenge.${name.replace(/^\*\./, '')}`;
  return {
    acmeChallenges: () => challenges,
    async setAcmeChallenge({ expiresInSeconds = 3600, name, ttlSeconds = 30, value, zone }) {
      const expiresAtMs = nowMs() + expiresInSeconds * 1000;
      const set = { zone, name: nameOf(name), value, ttlSeconds, expiresAtMs };
      challenges = [...challenges, set];
      return { challenges: [set], ...visibility(value === 'slow') };
    },
    async clearAcmeChallenge({ name, value }) {
      const isMeant = (each: AcmeChallenge): boolean =>
        each.name === nameOf(name) && (value === undefined || each.value === value);
      const gone = challenges.filter(isMeant);
      challenges = challenges.filter((each) => !isMeant(each));
      if (gone.length > 0) return { challenges: gone, ...visibility(false) };
      return { problem: 'not-found', code: 'no-challenge', message: 'There is none.' };
    },
  };
}

type Records = Pick<ControlPlane, 'addedRecords' | 'addRecord' | 'removeRecords'>;

/** Records of the same plane; those of the type `SRV` do not fit. */
export function createFixtureRecords(nowMs: () => number): Records {
  let records: readonly AddedRecordStatus[] = [];
  const everywhere = { visible: true, confirmed: ['node-1', 'node-2'], pending: [], silent: [] };
  return {
    addedRecords: () => records,
    async addRecord({ data, expiresInSeconds, name, ttlSeconds = 300, type, zone }) {
      if (type === 'SRV')
        return { problem: 'conflict', code: 'record-does-not-fit', message: 'No.' };
      const expiresAtMs =
        expiresInSeconds === undefined ? undefined : nowMs() + expiresInSeconds * 1000;
      const added = { zone, name, type, ttlSeconds, data, expiresAtMs };
      records = [...records, added];
      return { records: [added], serial: 2026112002, ...everywhere };
    },
    async removeRecords({ data, name, type }) {
      const isMeant = (each: AddedRecordStatus): boolean =>
        each.name === name && each.type === type && (data === undefined || each.data === data);
      const gone = records.filter(isMeant);
      records = records.filter((each) => !isMeant(each));
      if (gone.length > 0) return { records: gone, serial: 2026112003, ...everywhere };
      return { problem: 'not-found', code: 'no-record', message: 'There is none.' };
    },
  };
}
