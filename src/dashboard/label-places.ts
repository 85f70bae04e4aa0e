/**
 * Where marks and their labels stand on the map, so that none covers another whatever the regions
 * are: a label takes the first free side of its mark, and goes without when all are taken (the table
 * names it too). Text is measured by counting, a little too wide, since nothing is drawn yet.
 */
export type MarkInput = {
  readonly at: readonly [number, number];
  readonly name: string;
  readonly word: string;
};
export type MarkPlace = {
  readonly at: readonly [number, number];
  /** Undefined when there is no room. */
  readonly label: LabelPlace | undefined;
};
/** Baselines of the two lines; `x` is where the text begins, ends, or has its middle. */
export type LabelPlace = {
  readonly x: number;
  readonly nameY: number;
  readonly wordY: number;
  readonly anchor: 'start' | 'end' | 'middle';
};

/** All in units of the map; `unit` is the size of one CSS pixel. */
export type Canvas = { readonly width: number; readonly height: number; readonly unit: number };

/** CSS pixels. */
export const MARK_RADIUS = 9;
export const NAME_SIZE = 14;
export const WORD_SIZE = 12;
const LINE_WIDTH = 3;
const GAP = 4;
/** Average advance of a bold sans-serif letter, in its size. */
const LETTER_WIDTH = 0.66;
const LINE_HEIGHT = 1.25;

type Box = {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
};

/** Earlier marks choose first. */
export function placeMarks(marks: readonly MarkInput[], canvas: Canvas): readonly MarkPlace[] {
  const radius = MARK_RADIUS * canvas.unit;
  const centres: (readonly [number, number])[] = [];
  for (const { at } of marks) centres.push(freeCentre(at, centres, radius, canvas));
  const taken: Box[] = centres.map(([x, y]) => boxAround(x, y, radius));
  return marks.map((mark, index) => {
    const at = centres[index]!;
    const label = placeLabel(mark, at, taken, canvas);
    if (label) taken.push(label.box);
    return { at, label: label?.place };
  });
}

/** The place itself, or the nearest on a small grid around it that no other mark covers. */
function freeCentre(
  [x, y]: readonly [number, number],
  others: readonly (readonly [number, number])[],
  radius: number,
  { width, height }: Canvas,
): readonly [number, number] {
  const step = 2 * radius + LINE_WIDTH * (radius / MARK_RADIUS);
  const offsets = GRID.map(([dx, dy]) => [x + dx * step, y + dy * step] as const);
  const isFree = ([cx, cy]: readonly [number, number]): boolean =>
    cx >= radius &&
    cy >= radius &&
    cx <= width - radius &&
    cy <= height - radius &&
    others.every(([ox, oy]) => Math.hypot(cx - ox, cy - oy) >= step);
  return offsets.find(isFree) ?? [x, y];
}

const GRID_REACH = 4;
const GRID_LINE = Array.from({ length: 2 * GRID_REACH + 1 }, (_, index) => index - GRID_REACH);
const GRID = GRID_LINE.flatMap((dx) => GRID_LINE.map((dy) => [dx, dy] as const)).sort(
  (a, b) => Math.hypot(...a) - Math.hypot(...b),
);

function placeLabel(
  { name, word }: MarkInput,
  [x, y]: readonly [number, number],
  taken: readonly Box[],
  { width, height, unit }: Canvas,
): { readonly place: LabelPlace; readonly box: Box } | undefined {
  const nameHeight = NAME_SIZE * LINE_HEIGHT * unit;
  const wordHeight = WORD_SIZE * LINE_HEIGHT * unit;
  const boxWidth = Math.max(name.length * NAME_SIZE, word.length * WORD_SIZE) * LETTER_WIDTH * unit;
  const boxHeight = nameHeight + wordHeight;
  const reach = (MARK_RADIUS + GAP) * unit;
  const sides = [
    { anchor: 'start', left: x + reach, top: y - boxHeight / 2 },
    { anchor: 'end', left: x - reach - boxWidth, top: y - boxHeight / 2 },
    { anchor: 'middle', left: x - boxWidth / 2, top: y - reach - boxHeight },
    { anchor: 'middle', left: x - boxWidth / 2, top: y + reach },
    { anchor: 'start', left: x + reach, top: y - boxHeight },
    { anchor: 'start', left: x + reach, top: y },
    { anchor: 'end', left: x - reach - boxWidth, top: y - boxHeight },
    { anchor: 'end', left: x - reach - boxWidth, top: y },
  ] as const;
  for (const { anchor, left, top } of sides) {
    const box = { left, top, right: left + boxWidth, bottom: top + boxHeight };
    const inside = left >= 0 && top >= 0 && box.right <= width && box.bottom <= height;
    if (!inside || taken.some((other) => overlap(box, other))) continue;
    const textX = anchor === 'start' ? left : anchor === 'end' ? box.right : x;
    const nameY = top + nameHeight * BASELINE;
    const wordY = top + nameHeight + wordHeight * BASELINE;
    return { box, place: { x: textX, nameY, wordY, anchor } };
  }
  return undefined;
}

/** Part of a line's height that is above its baseline. */
const BASELINE = 0.8;

const boxAround = (x: number, y: number, radius: number): Box => ({
  left: x - radius,
  top: y - radius,
  right: x + radius,
  bottom: y + radius,
});

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
