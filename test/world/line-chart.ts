/** Lines over time as an SVG, for both light and dark pages. */
export type Line = {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
};

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [720, 320, 52, 40, 110, 36];
const COLOURS = ['#2f6fdb', '#d9822b', '#2a9d62', '#c23b55', '#8157c4', '#6b7280'];

/** @param lines of minutes and per cent */
export function lineChart(title: string, lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points);
  const end = Math.max(...all.map(([x]) => x));
  const top = Math.max(120, Math.ceil(Math.max(...all.map(([, y]) => y)) / 50) * 50);
  const x = (value: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * value) / end;
  const y = (value: number): number => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / top;
  const step = top > 300 ? 100 : 50;
  const grid = Array.from({ length: Math.floor(top / step) + 1 }, (_, index) => index * step);
  const text = (
    at: readonly [number, number],
    anchor: string,
    words: string,
    colour = '#888',
  ): string =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" fill="${colour}" text-anchor="${anchor}">${words}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="${title}">`,
    text([LEFT, 20], 'start', title),
    ...grid.map(
      (value) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#888" stroke-opacity="${value === 100 ? 0.9 : 0.25}"/>${text([LEFT - 6, y(value) + 4], 'end', `${value} %`)}`,
    ),
    ...[0, 30, 60, 90, 120]
      .filter((value) => value <= end)
      .map((value) => text([x(value), HEIGHT - 14], 'middle', `${value} min`)),
    ...lines.map(({ points }, index) => {
      const path = points
        .map(
          ([at, value], point) =>
            `${point === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`,
        )
        .join('');
      return `<path d="${path}" fill="none" stroke="${COLOURS[index % COLOURS.length]}" stroke-width="2"/>`;
    }),
    ...lines.map(({ name }, index) =>
      text(
        [WIDTH - RIGHT + 10, TOP + 14 + index * 18],
        'start',
        name,
        COLOURS[index % COLOURS.length],
      ),
    ),
    '</svg>\n',
  ].join('\n');
}
