import { Track } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import type { BoardRow } from '../../api/types';
import { boardOrder } from './boardOrder';
import { chooseStage } from './chooseStage';

function placed(identity: string, source: Track.Source, attributes: Record<string, string> = {}) {
  return { source, participant: { identity, attributes } };
}

const teacher = { role: 'teacher' };
const camera = Track.Source.Camera;
const screen = Track.Source.ScreenShare;

describe('the stage', () => {
  it('belongs to the teacher’s screen, and the camera joins the strip', () => {
    const tracks = [
      placed('l1', camera),
      placed('t', camera, teacher),
      placed('t', screen, teacher),
    ];
    const { stage, strip } = chooseStage(tracks);
    expect(stage).toBe(tracks[2]);
    expect(strip).toEqual([tracks[1], tracks[0]]);
  });

  it('shows the teacher’s camera when no screen is shared', () => {
    const tracks = [placed('l1', camera), placed('t', camera, teacher)];
    expect(chooseStage(tracks).stage).toBe(tracks[1]);
  });

  it('is empty while no teacher is here, whatever learners share', () => {
    const tracks = [placed('l1', camera), placed('l1', screen)];
    expect(chooseStage(tracks)).toEqual({ stage: undefined, strip: [tracks[0]] });
  });

  it('shows whom the teacher called on before everybody else in the strip', () => {
    const tracks = [
      placed('l1', camera, { hand: '1' }),
      placed('t', camera, teacher),
      placed('t', screen, teacher),
      placed('l2', camera, { floor: '1' }),
    ];
    expect(chooseStage(tracks).strip.map((each) => each.participant.identity)).toEqual([
      'l2',
      't',
      'l1',
    ]);
  });

  it('brings raised hands to the front of the strip', () => {
    const tracks = [placed('l1', camera), placed('l2', camera, { hand: '1' })];
    expect(chooseStage(tracks).strip.map((each) => each.participant.identity)).toEqual([
      'l2',
      'l1',
    ]);
  });
});

it('the board shows first whom the teacher should look after', () => {
  const row = (name: string, change: Partial<BoardRow>): BoardRow => ({
    attendance_id: name,
    account_id: name,
    name,
    unit_name: '',
    presence: 'connected',
    alive: true,
    credited_seconds: 0,
    withheld_seconds: 0,
    needs_review: false,
    paused: false,
    ...change,
  });
  const rows = [
    row('here', {}),
    row('absent', { presence: 'absent' }),
    row('asleep', { alive: false }),
    row('offline', { presence: 'interrupted' }),
    row('review', { needs_review: true }),
    row('left', { presence: 'left' }),
  ];
  expect(rows.sort(boardOrder).map((each) => each.name)).toEqual([
    'review',
    'offline',
    'asleep',
    'absent',
    'here',
    'left',
  ]);
});
