import { expect, it } from 'vitest';
import { patiently } from './patiently';

it('loads a part again until the network lets it through', async () => {
  const waits: number[] = [];
  let failures = 3;
  const load = () => (failures-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve('part'));
  const pause = (milliseconds: number) => Promise.resolve(void waits.push(milliseconds));
  expect(await patiently(load, pause)).toBe('part');
  expect(waits).toEqual([500, 1000, 2000]);
});

it('gives up on a part that the server no longer has', async () => {
  const gone = () => Promise.reject(new Error('gone'));
  await expect(patiently(gone, () => Promise.resolve())).rejects.toThrow('gone');
});
