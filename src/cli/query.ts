import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';

/** `meridian query`: a small dig that shows what matters here: TTLs, the scope, extended errors. */
export function addQuery(program: Command, context: CliContext): void {
  program
    .command('query')
    .description('Ask a nameserver, and show TTLs, the scope of the answer and extended errors')
    .argument('<name>', 'the name to ask for')
    .argument('[type]', 'A, AAAA, TXT, … or TYPE123', 'A')
    .option('--server <address:port>', 'the nameserver', SERVER_DEFAULT)
    .option('--subnet <network>', 'ask on behalf of this client network (ECS)')
    .option('--tcp', 'ask over TCP')
    .addHelpText(
      'after',
      examples(
        'meridian query www.gslb.example',
        'meridian query www.gslb.example AAAA --subnet 203.0.113.0/24',
        'meridian query gslb.example SOA --server 192.0.2.53:53 --tcp',
      ),
    )
    .action(
      context.action(async (name: string, type: string, { server, subnet, tcp }: QueryFlags) => {
        const { queryDns } = await import('./dns-query.ts');
        return queryDns({ name, type, server, subnet, tcp: tcp === true }, context.output());
      }),
    );
}

type QueryFlags = { readonly server: string; readonly subnet?: string; readonly tcp?: true };

/** Where the quickstart listens. */
const SERVER_DEFAULT = '127.0.0.1:5300';
