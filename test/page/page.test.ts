import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { launchBrowser, openPage, picture, startPageFixture } from './page-fixture.ts';

/** The page as a person meets it: in a real browser, on a real node. */
const [fixture, browser] = await Promise.all([startPageFixture(), launchBrowser()]);
after(async () => {
  await browser.close();
  await fixture.stop();
});
const open = (t: Parameters<typeof openPage>[0], options = {}) =>
  openPage(t, browser, fixture.url, options);

const NAMES = ['virginia', 'frankfurt', 'singapore'];
const markOf = (page: Page, name: string) => page.locator(`svg g[data-region=${name}]`);

async function waitForStates(page: Page, states: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, word] of Object.entries(states)) {
    await markOf(page, name).locator('.word', { hasText: word }).waitFor();
  }
}
const allUp = { virginia: 'up', frankfurt: 'up', singapore: 'up' };

test('the page shows every region with a sign and a word, on the map and in the table', async (t) => {
  const { page, complaints } = await open(t);
  await waitForStates(page, allUp);
  for (const name of NAMES) {
    const mark = markOf(page, name);
    assert.equal(await mark.locator('.name').textContent(), name);
    assert.equal(await mark.locator('.sign').textContent(), '✓');
    const row = page.locator(`tr[data-region=${name}]`);
    assert.match((await row.textContent()) ?? '', new RegExp(`${name}.*up.*web/${name}`));
  }
  assert.match((await page.locator('header').textContent()) ?? '', /node page · ready/);
  const map = await page.getByRole('img', { name: /World map/ }).getAttribute('aria-label');
  assert.match(map ?? '', /virginia: up; frankfurt: up; singapore: up/);
  const source = page.getByRole('link', { name: 'IP Geolocation by DB-IP' });
  assert.equal(await source.getAttribute('href'), 'https://db-ip.com');
  assert.deepEqual(complaints, []);
});

test('the page explains the answer of a network in Tokyo and draws its way', async (t) => {
  const { page, complaints } = await open(t);
  await waitForStates(page, allUp);
  await page.getByRole('button', { name: 'Tokyo' }).click();
  const told = page.locator('.told[data-region=singapore]');
  await told.waitFor();
  assert.match((await told.textContent()) ?? '', /133\.11\.0\.0\/16.*gets.*in singapore/);
  const way = page.locator('svg .way path');
  assert.match((await way.getAttribute('d')) ?? '', /^M[\d.,]+/);
  // By hand, with the keyboard alone.
  await page.getByLabel('Client address or network').fill('193.49.0.0/16');
  await page.keyboard.press('Enter');
  await page.locator('.told[data-region=frankfurt]').waitFor();
  assert.deepEqual(complaints, []);
});

test('the page explains what a client got at an instant of the record', async (t) => {
  const { page, complaints } = await open(t);
  await waitForStates(page, allUp);
  await page.getByLabel('Client address or network').fill('193.49.0.0/16');
  await page.getByLabel(/^At/).fill('2020-01-02T03:04:05Z');
  await page.keyboard.press('Enter');
  await page.getByText(/Nothing is known of/).waitFor();
  await page.getByLabel(/^At/).fill('');
  await page.keyboard.press('Enter');
  await page.locator('.told[data-region=frankfurt]').waitFor();
  assert.deepEqual(unexpected(complaints, /404/), []);
});

test('the page says what is wrong with a question', async (t) => {
  const { page, complaints } = await open(t);
  await waitForStates(page, allUp);
  const problem = page.locator('section .problem');
  const named = page.getByLabel('Name', { exact: true });
  for (const [name, words] of [
    ['www.elsewhere.example', 'refused: in no zone of ours'],
    ['nothing.gslb.example', 'nxdomain: the name does not exist'],
  ] as const) {
    await named.fill(name);
    await page.getByRole('button', { name: 'Explain' }).click();
    await problem.filter({ hasText: words }).waitFor();
  }
  await named.fill('');
  await page.getByLabel('Client address or network').fill('not an address');
  await page.getByRole('button', { name: 'Explain' }).click();
  await problem.filter({ hasText: 'not an address' }).waitFor();
  await page.getByRole('button', { name: 'Paris' }).click();
  await page.locator('.told[data-region=frankfurt]').waitFor();
  assert.equal(await problem.count(), 0, 'a good answer takes the problem away');
  // A refusal is an HTTP status, which the browser writes to its console.
  assert.deepEqual(unexpected(complaints, /status of 4\d\d/), []);
});

test('the page follows drains and failures without a reload', async (t) => {
  const { page, complaints } = await open(t);
  await waitForStates(page, allUp);
  const target = { kind: 'region', name: 'frankfurt' };
  const body = JSON.stringify({ target, action: 'drain', reason: 'a test of the page' });
  const headers = { 'content-type': 'application/json' };
  const api = `${fixture.url}api/v1/overrides`;
  const drained = await fetch(api, { method: 'POST', headers, body });
  assert.equal(drained.status, 200, await drained.text());
  await waitForStates(page, { virginia: 'up', frankfurt: 'drained', singapore: 'up' });
  assert.match((await page.locator('tr[data-region=frankfurt]').textContent()) ?? '', /drained/);
  await page.locator('.events', { hasText: 'frankfurt' }).waitFor();
  await fixture.killRegion('singapore');
  await waitForStates(page, { virginia: 'up', frankfurt: 'drained', singapore: 'down' });
  await picture(page, 'failures');
  const cleared = await fetch(`${api}/region/frankfurt`, { method: 'DELETE', headers });
  assert.equal(cleared.status, 200);
  await fixture.reviveRegion('singapore');
  await waitForStates(page, allUp);
  assert.deepEqual(complaints, []);
});

test('the page keeps its last facts, marked as old, while the node does not answer', async (t) => {
  const { page } = await open(t);
  await waitForStates(page, allUp);
  await page.context().setOffline(true);
  await page.getByRole('alert').filter({ hasText: 'may be old' }).waitFor();
  await waitForStates(page, allUp);
  await page.context().setOffline(false);
  await page.getByRole('alert').waitFor({ state: 'detached' });
});

for (const [name, colorScheme, width] of [
  ['light', 'light', 1280],
  ['dark', 'dark', 1280],
  ['narrow', 'light', 390],
] as const) {
  test(`the page fits its window and can be read when it is ${name}`, async (t) => {
    const { page } = await open(t, { colorScheme, viewport: { width, height: 900 } });
    await waitForStates(page, allUp);
    await page.getByRole('button', { name: 'Tokyo' }).click();
    await page.locator('.told[data-region=singapore]').waitFor();
    await picture(page, name);
    const excess = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    assert.equal(excess, 0, 'nothing sticks out sideways');
    const size = await markOf(page, 'virginia')
      .locator('.name')
      .evaluate((text) => text.getBoundingClientRect().height);
    assert.ok(size >= 12, `names on the map are ${size} px high`);
    assert.deepEqual(await faintTexts(page), []);
  });
}

test('the page never lets one label or mark on the map cover another', async (t) => {
  const isRound = (text: string): boolean => text === MARK;
  const names = ['ireland', 'london', 'paris', 'frankfurt', 'zurich', 'milan', 'stockholm', 'ohio'];
  const places = [
    [53.3, -6.3],
    [51.5, -0.1],
    [48.9, 2.4],
    [50.1, 8.7],
    [47.4, 8.5],
    [45.5, 9.2],
    [59.3, 18.1],
    [40.0, -83.0],
    [50.1, 8.7],
    [1.3, 103.8],
    [-36.8, 174.8],
  ] as const;
  for (const width of [1280, 390]) {
    const { page } = await open(t, { viewport: { width, height: 900 } });
    await page.route('**/api/v1/regions', async (route) => {
      const [region] = (await (await route.fetch()).json()) as Record<string, unknown>[];
      const json = places.map(([latitude, longitude], index) => ({
        ...region,
        name: names[index] ?? `another-region-${index}`,
        location: { latitude, longitude },
      }));
      await route.fulfill({ json });
    });
    await markOf(page, 'another-region-10').waitFor();
    // A label's two lines belong together, as the sign does to its circle.
    const drawn = await page.locator('svg .mark > circle, svg .mark > g').evaluateAll((all) =>
      all.map((each) => {
        const { x, y, width, height } = each.getBoundingClientRect();
        return { text: each.textContent || 'a mark', box: { x, y, width, height } };
      }),
    );
    await picture(page, `crowded-${width}`);
    assert.ok(drawn.length >= places.length + (width > 500 ? 7 : 3), `${drawn.length} drawn`);
    for (const [index, a] of drawn.entries()) {
      for (const b of drawn.slice(index + 1)) {
        const covers =
          isRound(a.text) && isRound(b.text) ? touch(a.box, b.box) : overlap(a.box, b.box);
        assert.ok(!covers, `${JSON.stringify([a, b])} overlap at ${width} px`);
      }
    }
  }
});

type Box = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
};
const MARK = 'a mark';
/** Of two circles of the same size. */
const touch = (a: Box, b: Box): boolean => Math.hypot(a.x - b.x, a.y - b.y) < a.width;
/** Boxes have room for accents, for descenders and for the halo: lines that touch by this can be read. */
const TOUCH = 6;
const overlap = (a: Box, b: Box): boolean =>
  a.x + TOUCH < b.x + b.width &&
  b.x + TOUCH < a.x + a.width &&
  a.y + TOUCH < b.y + b.height &&
  b.y + TOUCH < a.y + a.height;

test('the page can be used by keyboard, and shows where the focus is', async (t) => {
  const { page } = await open(t);
  await waitForStates(page, allUp);
  const reached: string[] = [];
  for (let presses = 0; presses < 12; presses++) {
    await page.keyboard.press('Tab');
    const focused = page.locator(':focus');
    if ((await focused.count()) === 0) break;
    const outline = await focused.evaluate((element) => {
      const view = element.ownerDocument.defaultView;
      return view?.getComputedStyle(element).outlineStyle ?? '';
    });
    const label = await focused.evaluate(
      (element) => element.getAttribute('name') ?? element.textContent ?? '',
    );
    assert.equal(outline, 'solid', label);
    reached.push(label);
  }
  const controls = ['name', 'client', 'at', 'Explain', 'Tokyo', 'Paris', 'New York'];
  assert.deepEqual(reached.slice(0, controls.length), controls);
});

test('the page shows the other nodes, and when one is silent', async (t) => {
  const { page, complaints } = await open(t);
  await waitForStates(page, allUp);
  assert.equal(await page.locator('tr[data-node]').count(), 0, 'alone there is nothing to show');
  const neighbour = await fixture.startNeighbour();
  const row = page.locator('tr[data-node=neighbour]');
  await row.getByText('connected').waitFor();
  assert.match((await row.textContent()) ?? '', /here.*connected.*nameserver, prober.*own file/);
  await picture(page, 'nodes');
  await neighbour.stop();
  await row.getByText('silent').first().waitFor();
  assert.deepEqual(complaints, []);
});

test('the page of a node with tokens asks for one, once, and then works', async (t) => {
  const guarded = await startPageFixture(['a-token-for-the-test']);
  t.after(guarded.stop);
  const { page, complaints } = await openPage(t, browser, guarded.url);
  const field = page.getByLabel('This node asks for a token');
  await field.fill('a-wrong-one');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await picture(page, 'token');
  await field.fill('a-token-for-the-test');
  await page.getByRole('button', { name: 'Continue' }).click();
  await waitForStates(page, allUp);
  await page.getByRole('button', { name: 'New York' }).click();
  await page.locator('.told[data-region=virginia]').waitFor();
  assert.deepEqual(unexpected(complaints, /401/), []);
  assert.equal(complaints.length, 2, 'refused without a token and with a wrong one');
});

function unexpected(complaints: readonly string[], expected: RegExp): string[] {
  return complaints.filter((complaint) => !expected.test(complaint));
}

/** Texts with less contrast to what is behind them than WCAG 2.2 1.4.3 asks for. */
function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(FAINT_TEXTS);
}
const FAINT_TEXTS = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const channels = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (channels(color)[3] === 255) return color;
    }
    return 'white';
  };
  return [...document.querySelectorAll('header *, table *, section *, footer *')]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((element) => {
      const a = luminance(getComputedStyle(element).color);
      const b = luminance(behind(element));
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    })
    .map((element) => element.textContent);
})()`;
