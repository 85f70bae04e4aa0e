import { type BeaconSettings, REPORT_PATH, RTT_PATH } from '../balancer/beacon.ts';
import type { PagesConfig } from '../config/latency-config.ts';

/** What balancers answer pages with; undefined = pages measure nothing. */
export const beaconSettings = (pages: PagesConfig | undefined): BeaconSettings | undefined =>
  pages && {
    path: pages.path,
    regions: Object.keys(pages.regions),
    script: beaconScript(pages),
  };

/**
 * The script that pages load. In a share of the views, when the page is there and the browser idle, it fetches `rtt` from
 * some regions, twice each: the second time on the connection of the first, so that what lies between the request and the
 * first octet of the reply (Resource Timing) is a round trip and the little that a server needs. It keeps
 * nothing, sets nothing, and sends nothing but the readings to where it came from.
 */
export function beaconScript({ path, regions, regionsPerView, share }: PagesConfig): string {
  const paths = { rtt: `${path}${RTT_PATH}`, report: `${path}${REPORT_PATH}` };
  const settings = { share, few: regionsPerView, ...paths, regions };
  return `${SCRIPT.replace('SETTINGS', () => JSON.stringify(settings).replaceAll('<', '\\u003c'))}\n`;
}

const SCRIPT = `(() => {
  'use strict';
  const { share, few, rtt, report, regions } = SETTINGS;
  const source = document.currentScript?.src;
  if (!source || Math.random() >= share || !window.PerformanceObserver) return;
  const to = new URL(report, source);
  const timing = (url) => new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntriesByName(url)) { observer.disconnect(); resolve(entry); }
    });
    observer.observe({ type: 'resource' });
    setTimeout(() => { observer.disconnect(); resolve(undefined); }, 5000);
  });
  const get = (url) => fetch(url, { mode: 'cors', credentials: 'omit', cache: 'no-store', priority: 'low' });
  const measure = async (origin) => {
    const url = origin + rtt;
    await get(url);
    const again = url + '?' + Math.random().toString(36).slice(2);
    const seen = timing(again);
    await (await get(again)).arrayBuffer();
    const entry = await seen;
    return entry && entry.requestStart > 0 ? entry.responseStart - entry.requestStart : 0;
  };
  const run = async () => {
    const drawn = Object.entries(regions).map((each) => [Math.random(), each]).sort((a, b) => a[0] - b[0]);
    const readings = [];
    for (const [, [region, origin]] of drawn.slice(0, few)) {
      const ms = await measure(origin).catch(() => 0);
      if (ms >= 0.1 && ms <= 4000) readings.push(region + '=' + ms.toFixed(1));
    }
    if (readings.length > 0) navigator.sendBeacon(to + '?' + readings.join('&'));
  };
  const begin = () => (window.requestIdleCallback ?? setTimeout)(() => void run());
  if (document.readyState === 'complete') begin();
  else addEventListener('load', begin, { once: true });
})();`;
