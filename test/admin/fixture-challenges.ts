import type { AcmeChallenge, ControlPlane } from '../../src/control/control-plane.ts';

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
