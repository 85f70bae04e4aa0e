import { z } from 'zod';
import { list } from './schema.ts';

/** Of a change: who answers so by now. */
export const visibility = {
  serial: z.number().int().describe('That the zone has with this change'),
  visible: z.boolean().describe('Every living nameserver answers so'),
  confirmed: list(z.string()).describe('Nodes that answer so'),
  pending: list(z.string()).describe('Nodes that live and have not said so in time'),
  silent: list(z.string()).describe(
    'Nodes that were not heard for a while: nobody waited for them',
  ),
};
