import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interruptKey, openCli } from './cli-harness.ts';

test('drill --dry-run shows shares before and during, and changes nothing', async (t) => {
  const { run, plane } = await openCli(t);
  const { code, stdout } = await run('drill', 'frankfurt', '--dry-run');
  assert.equal(code, 0);
  assert.match(stdout, /Predicted for www\.gslb\.example\./);
  assert.match(stdout, /^virginia +50\.0 % +-> +71\.4 %$/m);
  assert.match(stdout, /^frankfurt +30\.0 % +-> +0\.0 %$/m);
  assert.match(stdout, /^warning: virginia would carry more/m);
  assert.equal(plane.drills().length, 0);
  const json = await run('drill', 'frankfurt', '--dry-run', '-o', 'json');
  assert.equal(JSON.parse(json.stdout).region, 'frankfurt');
});

test('drill runs to its deadline without a question when there is no terminal', async (t) => {
  const { run, plane } = await openCli(t);
  const { code, stdout, stderr } = await run('drill', 'frankfurt', '--for', '30s');
  assert.equal(code, 0, stderr);
  assert.equal(plane.drills()[0]?.state, 'finished');
  assert.match(stdout, /Started drill-1; Ctrl-C reverts at once\./);
  assert.match(stdout, /Drill drill-1: \+ finished\. Ended at its deadline/);
  assert.match(stdout, /^ANSWERED WITH +BEFORE +DURING +AFTER$/m);
  assert.match(stdout, /^frankfurt +300 \(30\.0 %\) +3 \(0\.4 %\) +15 \(30\.0 %\)$/m);
  assert.match(stdout, /still in 3 answers/, 'what the counts say, in words');
  assert.doesNotMatch(stdout, /\r/, 'no progress line');
});

test('drill -o json prints one document', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('drill', 'frankfurt', '--for', '5s', '-o', 'json');
  assert.equal(code, 0);
  const drill = JSON.parse(stdout);
  assert.deepEqual([drill.state, drill.region], ['finished', 'frankfurt']);
  assert.equal(drill.observed.before.length, 3);
});

test('drill asks on a terminal, and starts nothing when the answer is no', async (t) => {
  const { runIn, plane } = await openCli(t);
  const questions: string[] = [];
  const answering = (answer: boolean) => ({
    isTTY: true,
    async confirm(question: string) {
      questions.push(question);
      return answer;
    },
  });
  const no = await runIn(answering(false), 'drill', 'frankfurt', '--for', '2m');
  assert.equal(no.code, 1);
  assert.match(no.stdout, /Nothing was started\./);
  assert.equal(plane.drills().length, 0);
  assert.match(questions[0]!, /Drain frankfurt for 2m00s\?/);
  const yes = await runIn(answering(true), 'drill', 'frankfurt', '--for', '3s');
  assert.equal(yes.code, 0);
  const progress = '\r\x1b[Kfrankfurt: over in 3s; answers virginia 500';
  assert.ok(yes.stdout.includes(progress), 'a progress line');
  const flagged = await runIn({ isTTY: true }, 'drill', 'frankfurt', '--for', '1s', '--yes');
  assert.equal(flagged.code, 0);
});

test('Ctrl-C stops the drill at once and reports', async (t) => {
  const { runIn, plane } = await openCli(t);
  const key = interruptKey();
  const { code, stdout } = await runIn(
    { onInterrupt: key.onInterrupt, sleep: async () => key.press() },
    'drill',
    'frankfurt',
  );
  assert.equal(code, 1);
  assert.equal(plane.drills()[0]?.state, 'stopped');
  assert.equal(plane.overrides().length, 0);
  assert.match(stdout, /Drill drill-1: = stopped\. Stopped by alice/);
});

test('drill says when the node ends it by itself although it cannot be watched any more', async (t) => {
  const { runIn, plane } = await openCli(t);
  const gone: typeof plane.drills = () => {
    throw new Error('no');
  };
  const { code, stderr } = await runIn(
    {
      async sleep() {
        (plane as { drills: typeof gone }).drills = gone;
      },
    },
    'drill',
    'frankfurt',
  );
  assert.equal(code, 1);
  assert.match(
    stderr,
    /The node ends the drill drill-1 by itself, at the latest at 2026-11-20 13:01:00Z/,
  );
});

test('drill of an unknown region, or a second one, ends with 1', async (t) => {
  const { run, runIn } = await openCli(t);
  assert.match((await run('drill', 'atlantis')).stderr, /There is no region "atlantis"/);
  let second: Awaited<ReturnType<typeof run>> | undefined;
  await runIn(
    {
      async sleep() {
        second ??= await run('drill', 'singapore');
        await run('drills', 'stop', 'drill-1');
      },
    },
    'drill',
    'frankfurt',
  );
  assert.equal(second?.code, 1);
  assert.match(second?.stderr ?? '', /Another drill is running/);
});

test('drills lists what was run, and stop ends one', async (t) => {
  const { run } = await openCli(t);
  assert.match((await run('drills')).stdout, /No drill was run yet/);
  await run('drill', 'frankfurt', '--for', '5s');
  const { stdout } = await run('drills');
  assert.match(stdout, /^drill-1 +frankfurt +\+ finished +2026-11-20 13:00:00Z +5s +alice/m);
  const stopped = await run('drills', 'stop', 'drill-1');
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /No drill "drill-1" is running/);
});
