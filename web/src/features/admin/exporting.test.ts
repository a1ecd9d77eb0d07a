import { expect, it } from 'vitest';
import { failure, success, UNKNOWN_PROBLEM } from '../../lib/result';
import { everyPage } from './exporting';

const numbers = Array.from({ length: 450 }, (_, index) => index);

it('an export holds every row of the filter, not the page that is shown', async () => {
  const load = (page: number, size: number) => {
    const items = numbers.slice((page - 1) * size, page * size);
    return Promise.resolve(success({ items, total: numbers.length }));
  };
  expect(await everyPage(load)).toEqual(success(numbers));
});

it('an export that fails on its way gives no file', async () => {
  const load = (page: number) =>
    Promise.resolve(page === 1 ? success({ items: [1], total: 2 }) : failure(UNKNOWN_PROBLEM));
  expect(await everyPage(load)).toEqual(failure(UNKNOWN_PROBLEM));
});

it('an export ends when a list shrinks while it is read', async () => {
  const load = (page: number) =>
    Promise.resolve(success({ items: page === 1 ? [1] : [], total: 9 }));
  expect(await everyPage(load)).toEqual(success([1]));
});
