import { describe, expect, it } from 'vitest';
import { dark, light, room, type Palette } from './theme';

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const PAIRS: [keyof Palette, keyof Palette][] = [
  ['text', 'background'],
  ['text', 'surface'],
  ['text', 'raised'],
  ['textQuiet', 'background'],
  ['textQuiet', 'surface'],
  ['textQuiet', 'raised'],
  ['accent', 'surface'],
  ['accent', 'background'],
  ['accent', 'accentSoft'],
  ['onAccent', 'accent'],
  ['onAccent', 'accentHover'],
  ['ok', 'okSoft'],
  ['ok', 'surface'],
  ['waiting', 'waitingSoft'],
  ['attention', 'attentionSoft'],
  ['refused', 'refusedSoft'],
  ['refused', 'surface'],
  ['onRefused', 'refusedStrong'],
  ['onHero', 'hero'],
];

describe.each([
  ['light', light],
  ['dark', dark],
  ['room', room],
])('the %s palette', (_, palette) => {
  it.each(PAIRS)('shows %s on %s with a contrast of at least 4.5', (front, back) => {
    expect(contrast(palette[front], palette[back])).toBeGreaterThanOrEqual(4.5);
  });
});
