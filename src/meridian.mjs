#!/usr/bin/env node
// The command `meridian`. Only what every Node understands, until the version is known to be enough.
import { requireNode } from './require-node.mjs';

requireNode(process.versions.node);
import('./launch.mjs');
