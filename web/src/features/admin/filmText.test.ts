import { expect, test } from 'vitest';
import { sizeText, titleOf } from './filmText';

test('a size is said in the unit that people use', () => {
  expect(sizeText(0)).toBe('0 B');
  expect(sizeText(999)).toBe('999 B');
  expect(sizeText(1_500_000)).toBe('1.5 MB');
  expect(sizeText(734_000_000)).toBe('734 MB');
  expect(sizeText(4_294_967_296)).toBe('4.3 GB');
});

test('a title is the name of the file without its ending', () => {
  expect(titleOf('Lesson 1.mp4')).toBe('Lesson 1');
  expect(titleOf('no ending')).toBe('no ending');
  expect(titleOf('v1.2 final.mov')).toBe('v1.2 final');
});
