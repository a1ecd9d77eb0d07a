import { describe, expect, it } from 'vitest';
import { toCsv } from './csv';
import { initials } from './name';
import { runningTime, wholeMinutes } from './time';

describe('a CSV file', () => {
  it('quotes what would break a row', () => {
    expect(toCsv(['a', 'b'], [['x,y', 'say "hi"\nagain']])).toBe(
      'a,b\r\n"x,y","say ""hi""\nagain"\r\n',
    );
  });

  it('never lets a spreadsheet run a name as a formula', () => {
    expect(toCsv(['a'], [['=1+1'], ['@x'], [-3]])).toBe("a\r\n'=1+1\r\n'@x\r\n-3\r\n");
  });
});

describe('initials', () => {
  it.each([
    ['\u5f20\u5efa\u56fd', '\u5efa\u56fd'],
    ['\u963f\u4f9d\u53e4\u4e3d\u00b7\u827e\u5408\u4e70\u63d0', '\u4e70\u63d0'],
    ['Ada Lovelace', 'AL'],
    ['teacher', 'T'],
    ['  ', '\u00b7'],
  ])('of %s are %s', (name, expected) => {
    expect(initials(name)).toBe(expected);
  });
});

it('a minute counts when it is complete', () => {
  expect(wholeMinutes(59.9)).toBe(0);
  expect(wholeMinutes(120)).toBe(2);
  expect(wholeMinutes(-5)).toBe(0);
});

it('running time shows hours only when there are some', () => {
  expect(runningTime(65)).toBe('1:05');
  expect(runningTime(3661)).toBe('1:01:01');
});
