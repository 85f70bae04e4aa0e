import type { ConfigText, ControlPlane } from '../../src/control/control-plane.ts';

type Revisions = Pick<ControlPlane, 'publishConfig' | 'configRevisions' | 'configText'>;

/** Shared configurations of a plane without nodes: a text with `bad` is invalid, one with `small` shrinks. */
export function createFixtureRevisions(nowMs: () => number): Revisions {
  const texts: ConfigText[] = [];
  return {
    async publishConfig({ by, dryRun, force, name, note, replaces, text }) {
      if (text.includes('bad')) {
        return { issues: [{ file: name, line: 1, column: 2, path: 'bad', message: 'is bad' }] };
      }
      if (text.includes('small') && force !== true) {
        return { problem: 'refused', code: 'config.shrinks', message: 'It takes answers away.' };
      }
      if (replaces !== undefined && replaces !== texts.length) {
        return { problem: 'conflict', code: 'config.conflict', message: 'Somebody was faster.' };
      }
      const revision = texts.length + 1;
      const outcome = { changes: ['region tokyo: added'], warnings: [], shrinks: [], revision };
      if (dryRun) return { ...outcome, published: false };
      const sha256 = '0'.repeat(64);
      texts.push({ revision, sha256, by, atMs: nowMs(), note, isCurrent: true, text });
      const sharing = { shared: false, detail: 'in force here; not yet shared' };
      return { ...outcome, published: true, sharing };
    },
    configRevisions: async () =>
      texts
        .map(({ text: _text, ...row }) => ({ ...row, isCurrent: row.revision === texts.length }))
        .toReversed(),
    configText: async (revision) =>
      texts[revision - 1] ?? {
        problem: 'not-found',
        code: 'config.no-revision',
        message: `Revision ${revision} is not kept.`,
      },
  };
}
