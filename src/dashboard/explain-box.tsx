import { useState } from 'preact/hooks';
import type { Explanation } from '../control/control-plane.ts';
import { explain } from './api.ts';
import { timeOfDay } from './time-of-day.ts';

/** "Why does this client get this answer?", asked of the code that answers. */
type Props = {
  readonly suggestedName: string;
  readonly explanation: Explanation | undefined;
  onExplained(explanation: Explanation | undefined): void;
};

const EXAMPLES: readonly { readonly label: string; readonly client: string }[] = [
  { label: 'Tokyo', client: '133.11.0.0/16' },
  { label: 'Paris', client: '193.49.0.0/16' },
  { label: 'New York', client: '128.59.0.0/16' },
];

export function ExplainBox({ suggestedName, explanation, onExplained }: Props) {
  const [name, setName] = useState('');
  const [client, setClient] = useState('133.11.0.0/16');
  const [at, setAt] = useState('');
  const [problem, setProblem] = useState('');
  const ask = async (network: string): Promise<void> => {
    const reply = await explain(name || suggestedName, network, at.trim());
    setProblem(reply.ok ? '' : reply.message);
    onExplained(reply.ok ? reply.value : undefined);
  };
  return (
    <section aria-labelledby="explain-title">
      <h2 id="explain-title">Explain an answer</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void ask(client);
        }}
      >
        <label>
          Name
          <input
            name="name"
            value={name}
            placeholder={suggestedName}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>
          Client address or network
          <input
            name="client"
            value={client}
            onInput={(event) => setClient(event.currentTarget.value)}
          />
        </label>
        <label>
          At an instant of the record
          <input
            name="at"
            value={at}
            placeholder="now, or 2026-03-01T12:00:00Z"
            onInput={(event) => setAt(event.currentTarget.value)}
          />
        </label>
        <button type="submit">Explain</button>
        <span class="examples">
          {EXAMPLES.map((example) => (
            <button
              type="button"
              key={example.label}
              onClick={() => {
                setClient(example.client);
                void ask(example.client);
              }}
            >
              {example.label}
            </button>
          ))}
        </span>
      </form>
      <div aria-live="polite">
        {problem && <p class="problem">{problem}</p>}
        {explanation && <Told explanation={explanation} />}
      </div>
    </section>
  );
}

function Told({ explanation }: { readonly explanation: Explanation }) {
  const { atMs, region, scope, steps, ttl } = explanation;
  return (
    <div class="told" data-region={region ?? ''}>
      <p>
        <Result explanation={explanation} />
      </p>
      <ol>
        {steps.map((step, index) => (
          <li key={`${index}-${step.step}`}>
            <b>{step.step}</b> {step.note}
            <ul class="plain">
              {step.kept.length > 0 && <li class="kept">→ {step.kept.join(', ')}</li>}
              {step.dropped.map(({ name, reason }) => (
                <li class="dropped" key={name}>
                  ✕ {name}: {reason}
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ol>
      <p class="small">
        TTL {ttl.seconds} s: {ttl.why}. Scope /{scope.prefixLength}: {scope.why}. Asked at{' '}
        {timeOfDay(atMs)}.
      </p>
    </div>
  );
}

function Result({ explanation }: { readonly explanation: Explanation }) {
  const { answer, client, name, outcome, region, type } = explanation;
  const who = (
    <>
      <strong>{client.network}</strong> ({client.place || 'place unknown'})
    </>
  );
  if (answer.length === 0) {
    return (
      <>
        {who} gets no {type} for {name} <strong class="problem">{outcome}</strong>.
      </>
    );
  }
  return (
    <>
      {who} gets <strong>{answer.join(', ')}</strong>{' '}
      {region === undefined ? `(${outcome})` : 'in '}
      {region && <strong>{region}</strong>}.
    </>
  );
}
