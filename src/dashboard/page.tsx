import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type {
  EventRecord,
  Explanation,
  NodeStatus,
  RegionStatus,
} from '../control/control-plane.ts';
import { keepToken, readEvents, readRegions, readStatus } from './api.ts';
import { ExplainBox } from './explain-box.tsx';
import { RegionTable } from './region-table.tsx';
import { WorldMap } from './world-map.tsx';

/** The status page: what `meridian status`, `explain` and `events` show, on a map. */
const REFRESH_MS = 1000;
const EVENTS_SHOWN = 12;

type Facts = {
  readonly status?: NodeStatus;
  readonly regions: readonly RegionStatus[];
  readonly events: readonly EventRecord[];
  /** Empty while the node answers. */
  readonly trouble: string;
  readonly needsToken: boolean;
};

function Page() {
  const [facts, setFacts] = useState<Facts>({
    regions: [],
    events: [],
    trouble: '',
    needsToken: false,
  });
  const [explanation, setExplanation] = useState<Explanation>();
  useEffect(() => {
    let timer = 0;
    const refresh = async (): Promise<void> => {
      const next = await readFacts();
      // While the node is away the last facts stay, marked as old.
      setFacts((last) => ('regions' in next ? next : { ...last, ...next }));
      timer = window.setTimeout(refresh, REFRESH_MS);
    };
    void refresh();
    return () => window.clearTimeout(timer);
  }, []);
  if (facts.needsToken) return <TokenForm />;
  return (
    <>
      <Header facts={facts} />
      <main>
        <WorldMap regions={facts.regions} explanation={explanation} />
        <RegionTable regions={facts.regions} />
        <div class="columns">
          <ExplainBox
            suggestedName="www.gslb.example"
            explanation={explanation}
            onExplained={setExplanation}
          />
          <EventList events={facts.events} />
        </div>
      </main>
      <footer class="small">
        {facts.status?.geo.description}.{' '}
        <a href="https://db-ip.com" rel="noreferrer">
          IP Geolocation by DB-IP
        </a>
        . Map: Natural Earth. <a href="api/v1/status">API</a> · <a href="openapi.json">OpenAPI</a> ·{' '}
        <a href="metrics">metrics</a>
      </footer>
    </>
  );
}

async function readFacts(): Promise<Facts | Pick<Facts, 'trouble' | 'needsToken'>> {
  const [status, regions, events] = await Promise.all([
    readStatus(),
    readRegions(),
    readEvents(EVENTS_SHOWN),
  ]);
  for (const reply of [status, regions, events]) {
    if (!reply.ok) {
      return { trouble: reply.message, needsToken: reply.status === 401 || reply.status === 403 };
    }
  }
  if (!status.ok || !regions.ok || !events.ok) return { trouble: '', needsToken: false };
  return {
    status: status.value,
    regions: regions.value,
    events: events.value,
    trouble: '',
    needsToken: false,
  };
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
            <time dateTime={new Date(event.atMs).toISOString()}>
              {new Date(event.atMs).toLocaleTimeString()}
            </time>{' '}
            <b>{event.kind}</b> {event.subject} <span class="small">{event.message}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function TokenForm() {
  const [token, setToken] = useState('');
  return (
    <form
      class="token"
      onSubmit={(event) => {
        event.preventDefault();
        keepToken(token);
        location.reload();
      }}
    >
      <label>
        This node asks for a token
        <input
          type="password"
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Continue</button>
    </form>
  );
}

const mount = document.getElementById('page');
if (mount) render(<Page />, mount);
