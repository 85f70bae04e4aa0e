// `npm test` and the other tiers; the tiers themselves are in tiers.mjs.
import { requireNode } from '../src/require-node.mjs';

requireNode(process.versions.node);
import('./tiers.mjs');
