import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type {
  ClusterStatus,
  EventRecord,
  Explanation,
  RegionStatus,
} from '../control/control-plane.ts';
import type { NodeStatus } from '../control/node-status.ts';
import {
  hasToken,
  keepToken,
  readCluster,
  readEvents,
  readRegions,
  readStatus,
  readZones,
} from './api.ts';
import { ExplainBox } from './explain-box.tsx';
import { NodeTable } from './node-table.tsx';
import { RegionTable } from './region-table.tsx';
import { timeOfDay } from './time-of-day.ts';
import { WorldMap } from './world-map.tsx';

/** The status page: what `meridian status`, `explain` and `events` show, on a map. */
const REFRESH_MS = 1000;
const EVENTS_SHOWN = 12;

type Facts = {
  readonly status?: NodeStatus;
  readonly regions: readonly RegionStatus[];
  readonly cluster?: ClusterStatus;
  readonly events: readonly EventRecord[];
  /** Empty while the node answers. */
  readonly trouble: string;
  readonly needsToken: boolean;
};

function Page() {
  const facts = useFacts();
  const suggestedName = useSuggestedName(facts.status?.generation);
  const [explanation, setExplanation] = useState<Explanation>();
  if (facts.needsToken) return <TokenForm refusal={hasToken() ? facts.trouble : ''} />;
  return (
    <>
      <Header facts={facts} />
      <main>
        <WorldMap regions={facts.regions} explanation={explanation} />
        <RegionTable regions={facts.regions} />
        <NodeTable cluster={facts.cluster} />
        <div class="columns">
          <ExplainBox
            suggestedName={suggestedName}
            explanation={explanation}
            onExplained={setExplanation}
          />
          <EventList events={facts.events} />
        </div>
      </main>
      <Footer status={facts.status} />
    </>
  );
}

/** What the node says, again and again, until it asks for a token. */
function useFacts(): Facts {
  const [facts, setFacts] = useState<Facts>({
    regions: [],
    events: [],
    trouble: '',
    needsToken: false,
  });
  useEffect(() => {
    let timer = 0;
    const refresh = async (): Promise<void> => {
      const next = await readFacts();
      // While the node is away the last facts stay, marked as old.
      setFacts((last) => ('regions' in next ? next : { ...last, ...next }));
      if (!next.needsToken) timer = window.setTimeout(refresh, REFRESH_MS);
    };
    void refresh();
    return () => window.clearTimeout(timer);
  }, []);
  return facts;
}

async function readFacts(): Promise<Facts | Pick<Facts, 'trouble' | 'needsToken'>> {
  // Alone at first, so that a node that refuses has to do so only once.
  const status = await readStatus();
  if (!status.ok) return refused(status);
  const [regions, events, cluster] = await Promise.all([
    readRegions(),
    readEvents(EVENTS_SHOWN),
    readCluster(),
  ]);
  if (!regions.ok) return refused(regions);
  if (!events.ok) return refused(events);
  if (!cluster.ok) return refused(cluster);
  return {
    status: status.value,
    regions: regions.value,
    events: events.value,
    cluster: cluster.value,
    trouble: '',
    needsToken: false,
  };
}

function refused(reply: { readonly status: number; readonly message: string }) {
  return { trouble: reply.message, needsToken: reply.status === 401 || reply.status === 403 };
}

/** The first steered name of the configuration that is served now. */
function useSuggestedName(generation: number | undefined): string {
  const [name, setName] = useState('');
  useEffect(() => {
    if (generation === undefined) return;
    void readZones().then((zones) => {
      const first = zones.ok ? zones.value.flatMap(({ steered }) => steered)[0]?.name : undefined;
      setName(first?.replace(/\.$/, '') ?? '');
    });
  }, [generation]);
  return name;
}

function Header({ facts: { status, trouble } }: { readonly facts: Facts }) {
  return (
    <header>
      <h1>Meridian</h1>
      {status && (
        <span>
          node {status.name} · {status.ready ? 'ready' : 'not ready'} · generation{' '}
          {status.generation} · {status.queriesTotal.toLocaleString('en')} queries
        </span>
      )}
      {trouble && (
        <span role="alert" class="problem">
          {trouble} What is shown may be old.
        </span>
      )}
    </header>
  );
}

function EventList({ events }: { readonly events: readonly EventRecord[] }) {
  return (
    <section aria-labelledby="events-title">
      <h2 id="events-title">Events</h2>
      <ol class="events">
        {events.toReversed().map((event) => (
          <li key={event.id}>
            <time dateTime={new Date(event.atMs).toISOString()}>{timeOfDay(event.atMs)}</time>
            <div>
              <b>{event.kind}</b> {event.subject} <div class="small">{event.message}</div>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Data come with obligations: who made them is said wherever they are shown. */
function Footer({ status }: { readonly status: NodeStatus | undefined }) {
  return (
    <footer class="small">
      {status?.geo.attribution.split('; ').map((line) => (
        <Attribution key={line} line={line} />
      ))}
      {status && `Geo data of ${new Date(status.geo.builtAtMs).toISOString().slice(0, 10)}. `}
      Map: Natural Earth. <a href="api/v1/status">API</a> · <a href="openapi.json">OpenAPI</a> ·{' '}
      <a href="metrics">metrics</a>
    </footer>
  );
}

/** `Text (https://…), licence` with the text as a link. */
function Attribution({ line }: { readonly line: string }) {
  const [, text, url, rest] = /^(.*?) \((https:[^)]+)\)(.*)$/.exec(line) ?? [];
  if (url === undefined) return <>{line}. </>;
  return (
    <>
      <a href={url} rel="noreferrer">
        {text}
      </a>
      {rest}.{' '}
    </>
  );
}

function TokenForm({ refusal }: { readonly refusal: string }) {
  const [token, setToken] = useState('');
  return (
    <form
      class="token"
      onSubmit={(event) => {
        event.preventDefault();
        keepToken(token.trim());
        location.reload();
      }}
    >
      <h1>Meridian</h1>
      <label>
        This node asks for a token
        <input
          type="password"
          autocomplete="current-password"
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Continue</button>
      {refusal && (
        <p role="alert" class="problem">
          {refusal}
        </p>
      )}
    </form>
  );
}

const mount = document.getElementById('page');
if (mount) render(<Page />, mount);
