/** The one place where colours are named. Styles use them as variables, antd as tokens. */
export interface Palette {
  background: string;
  surface: string;
  raised: string;
  line: string;
  lineStrong: string;
  text: string;
  textQuiet: string;
  accent: string;
  accentHover: string;
  accentSoft: string;
  onAccent: string;
  ok: string;
  okSoft: string;
  waiting: string;
  waitingSoft: string;
  attention: string;
  attentionSoft: string;
  refused: string;
  refusedSoft: string;
  refusedStrong: string;
  onRefused: string;
  hero: string;
  heroLine: string;
  onHero: string;
  shade: string;
  veil: string;
}

export const light: Palette = {
  background: '#f3f6f5',
  surface: '#ffffff',
  raised: '#eaf0ef',
  line: '#dbe4e2',
  lineStrong: '#82928f',
  text: '#14211f',
  textQuiet: '#51625f',
  accent: '#0d6b68',
  accentHover: '#095552',
  accentSoft: '#dcefed',
  onAccent: '#ffffff',
  ok: '#1b6e3f',
  okSoft: '#dff2e6',
  waiting: '#30599c',
  waitingSoft: '#e2eaf8',
  attention: '#8a5200',
  attentionSoft: '#fcefd7',
  refused: '#b02a20',
  refusedSoft: '#fbe5e2',
  refusedStrong: '#c0352a',
  onRefused: '#ffffff',
  hero: '#0b4a49',
  heroLine: '#17615f',
  onHero: '#eef8f7',
  shade: '0 1px 2px rgb(10 40 38 / 6%), 0 4px 16px rgb(10 40 38 / 6%)',
  veil: 'rgb(8 20 19 / 55%)',
};

export const dark: Palette = {
  background: '#0e1514',
  surface: '#172120',
  raised: '#202c2a',
  line: '#2c3a38',
  lineStrong: '#6f827e',
  text: '#e8f0ee',
  textQuiet: '#a3b5b1',
  accent: '#5cc8bf',
  accentHover: '#83d8d1',
  accentSoft: '#173f3c',
  onAccent: '#04211f',
  ok: '#6fd39a',
  okSoft: '#14382a',
  waiting: '#9dbcf2',
  waitingSoft: '#1d2f4d',
  attention: '#f0bd6b',
  attentionSoft: '#40300f',
  refused: '#ff9d92',
  refusedSoft: '#4a1f1b',
  refusedStrong: '#c9402f',
  onRefused: '#ffffff',
  hero: '#0c3332',
  heroLine: '#184b49',
  onHero: '#e2f3f1',
  shade: '0 1px 2px rgb(0 0 0 / 40%), 0 6px 20px rgb(0 0 0 / 28%)',
  veil: 'rgb(0 0 0 / 60%)',
};

/** The room is dark in both themes: the picture comes first. */
export const room: Palette = {
  ...dark,
  background: '#0b100f',
  surface: '#151d1c',
  raised: '#222d2b',
  line: '#2a3634',
};

const FONT = [
  'system-ui',
  '-apple-system',
  '"Segoe UI"',
  '"PingFang SC"',
  '"Microsoft YaHei"',
  '"Noto Sans CJK SC"',
  '"Noto Sans SC"',
  'sans-serif',
].join(', ');

function variables(palette: Palette): string {
  return Object.entries(palette)
    .map(([name, value]: [string, string]) => {
      const dashed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      return `--${dashed}:${value};`;
    })
    .join('');
}

/** The style sheet of variables: light, dark, and the room's own. */
export function themeSheet(): string {
  return [
    `:root{--font:${FONT};color-scheme:light;${variables(light)}}`,
    `:root[data-theme="dark"]{color-scheme:dark;${variables(dark)}}`,
    `.room{color-scheme:dark;${variables(room)}}`,
  ].join('\n');
}

/** What antd would derive too strongly, or not at all, from the seed. */
export function antdParts(palette: Palette) {
  return {
    Table: { rowSelectedBg: palette.accentSoft, rowSelectedHoverBg: palette.accentSoft },
    Segmented: { trackBg: palette.raised },
  };
}

/** The same palette as antd's seed tokens. */
export function antdTokens(palette: Palette) {
  return {
    colorPrimary: palette.accent,
    colorInfo: palette.waiting,
    colorSuccess: palette.ok,
    colorWarning: palette.attention,
    colorError: palette.refusedStrong,
    colorLink: palette.accent,
    colorTextLightSolid: palette.onAccent,
    colorTextBase: palette.text,
    colorTextSecondary: palette.textQuiet,
    colorTextTertiary: palette.textQuiet,
    colorTextDescription: palette.textQuiet,
    colorTextPlaceholder: palette.textQuiet,
    colorBgContainer: palette.surface,
    colorBgElevated: palette.surface,
    colorBgLayout: palette.background,
    colorBorder: palette.lineStrong,
    colorBorderSecondary: palette.line,
    colorFillAlter: palette.raised,
    controlItemBgActive: palette.accentSoft,
    controlItemBgHover: palette.raised,
    fontFamily: FONT,
    fontSize: 15,
    fontSizeSM: 13,
    borderRadius: 8,
    controlHeight: 36,
  };
}
