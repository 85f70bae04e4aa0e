// Syntax and imports of this file are old on purpose: it must run where nothing else here does.
export const NODE_MAJOR_MIN = 20;

/** Ends the process with a sentence when this Node is too old even to set Meridian up. */
export function requireNode(version) {
  if (Number(version.split('.')[0]) >= NODE_MAJOR_MIN) return;
  process.stderr.write(
    'meridian: this is Node ' +
      version +
      '; Meridian needs Node ' +
      NODE_MAJOR_MIN +
      ' or newer to set itself up.\n' +
      '  Install it from https://nodejs.org or your distribution; Node 26 itself then comes by npm.\n',
  );
  process.exit(1);
}
