import fastifyStatic from '@fastify/static';
import type { ControlPlane } from '../control/control-plane.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import { addAcmeRoutes } from './acme.ts';
import { createGuard } from './auth.ts';
import { addBalancerRoutes } from './balancers.ts';
import { addCapacityRoutes } from './capacity.ts';
import { addConfigRoutes } from './config.ts';
import { addDnssecRoutes } from './dnssec.ts';
import { addDrillRoutes } from './drills.ts';
import { addEventRoutes } from './events.ts';
import { addExplainRoutes } from './explain.ts';
import { addExplainRequestRoute } from './explain-request.ts';
import { addHealthRoutes } from './health.ts';
import { addMetricsRoutes } from './metrics.ts';
import { addNodeRoutes } from './nodes.ts';
import { addOpenApi } from './openapi.ts';
import { addOverrideRoutes } from './overrides.ts';
import { addPoolRoutes } from './pools.ts';
import { addRecordRoutes } from './records.ts';
import { addRegionRoutes } from './regions.ts';
import { addReloadRoutes } from './reload.ts';
import { type AdminLogger, type AdminServer, createServer } from './server.ts';
import { addTrafficRoute } from './traffic.ts';
import { addZoneRoutes } from './zones.ts';

/**
 * The admin API: a thin HTTP skin over the ControlPlane record, nothing more. What the CLI and the
 * page can do, they do through these routes.
 */
export type AdminOptions = {
  readonly plane: ControlPlane;
  readonly address: string;
  /** 0 = a free one, for tests. */
  readonly port: number;
  /** Bearer tokens, plain or `sha256:<hex>`. Without any, the address must be a loopback one. */
  readonly tokens: readonly string[];
  readonly logger?: AdminLogger;
  /** The built page, served at `/`. */
  readonly dashboardDirectory?: string;
  /** Time between the comment lines of an idle event stream. Default 15 s. */
  readonly heartbeatMs?: number;
};

export type Admin = {
  readonly ok: true;
  readonly address: string;
  readonly port: number;
  /** For instance `http://127.0.0.1:8053`. */
  readonly url: string;
  /** Ends event streams, lets requests in flight finish, frees the port. */
  close(): Promise<void>;
};

/** Why the API does not listen, in words for people. */
export type AdminRefusal = {
  readonly ok: false;
  readonly code:
    | 'token-required'
    | 'address-in-use'
    | 'address-not-available'
    | 'not-permitted'
    | 'cannot-listen';
  readonly message: string;
  readonly hint: string;
};

/** Opens the admin API. That it cannot listen is a value; only a bug throws. */
export async function createAdmin(options: AdminOptions): Promise<Admin | AdminRefusal> {
  const { plane, address, port, tokens, logger, dashboardDirectory } = options;
  const guard = createGuard(address, tokens);
  if (guard.tokenRequired && tokens.length === 0) return tokenRequired(address);
  const server = await createServer(guard, logger);
  const version = plane.status().version;
  await addOpenApi(server, { version, tokenRequired: guard.tokenRequired });
  addRoutes(server, options);
  if (dashboardDirectory !== undefined) {
    await server.register(fastifyStatic, { root: dashboardDirectory, prefix: '/' });
  }
  try {
    await server.listen({ host: address, port });
  } catch (error) {
    await server.close();
    return refusalOf(error, address, port);
  }
  const bound = server.server.address();
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
  return {
    ok: true,
    address,
    port: boundPort,
    url: `http://${formatSocketAddress({ address, port: boundPort })}`,
    close: () => server.close(),
  };
}

function addRoutes(server: AdminServer, { plane, heartbeatMs }: AdminOptions): void {
  addHealthRoutes(server, plane);
  addMetricsRoutes(server, plane);
  addRegionRoutes(server, plane);
  addCapacityRoutes(server, plane);
  addNodeRoutes(server, plane);
  addPoolRoutes(server, plane);
  addZoneRoutes(server, plane);
  addAcmeRoutes(server, plane);
  addRecordRoutes(server, plane);
  addDnssecRoutes(server, plane);
  addBalancerRoutes(server, plane);
  addTrafficRoute(server, plane);
  addExplainRoutes(server, plane);
  addExplainRequestRoute(server, plane);
  addOverrideRoutes(server, plane);
  addDrillRoutes(server, plane);
  addReloadRoutes(server, plane);
  addEventRoutes(server, plane, heartbeatMs === undefined ? {} : { heartbeatMs });
  addConfigRoutes(server, plane);
}

function tokenRequired(address: string): AdminRefusal {
  return {
    ok: false,
    code: 'token-required',
    message: `The admin API may not listen on ${address} without a token: anyone who reaches it could drain a region.`,
    hint: 'Add a token to admin.tokens (for instance from "openssl rand -hex 32"), or use the address 127.0.0.1.',
  };
}

function refusalOf(error: unknown, address: string, port: number): AdminRefusal {
  const code = (error as NodeJS.ErrnoException).code;
  const where = `${address}, port ${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return {
        ok: false,
        code: 'address-in-use',
        message: `The admin API cannot listen on ${where}: another program does already.`,
        hint: `Stop it (ss -ltnp 'sport = :${port}' shows which it is), or set admin.port to another one.`,
      };
    case 'EADDRNOTAVAIL':
      return {
        ok: false,
        code: 'address-not-available',
        message: `The admin API cannot listen on ${where}: this machine does not have that address.`,
        hint: 'Set admin.address to one of its own addresses, for instance 127.0.0.1.',
      };
    case 'EACCES':
    case 'EPERM':
      return {
        ok: false,
        code: 'not-permitted',
        message: `The admin API may not listen on ${where}: ports below 1024 need a privilege.`,
        hint: 'Set admin.port to 1024 or higher, or grant CAP_NET_BIND_SERVICE.',
      };
    default:
      return {
        ok: false,
        code: 'cannot-listen',
        message: `The admin API cannot listen on ${where}: ${(error as Error).message}.`,
        hint: 'Check admin.address and admin.port.',
      };
  }
}
