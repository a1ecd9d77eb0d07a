/** Sound, vibration and a flashing title for a prompt. */

let context: AudioContext | undefined;

/** Must be called from a tap: browsers keep sound locked until then. */
export function unlockSound(): void {
  context ??= new AudioContext();
  void context.resume();
}

/** Seconds between rings while a prompt waits. */
const RING_EVERY_MS = 5000;
const FLASH_EVERY_MS = 1000;

function tone(audio: AudioContext, frequency: number, delay: number): void {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  const start = audio.currentTime + delay;
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(0.25, start + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.001, start + 0.45);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(start);
  oscillator.stop(start + 0.5);
}

/** Rings once: something is asked of the person. */
export function ring(): void {
  if (context?.state === 'running') {
    tone(context, 660, 0);
    tone(context, 880, 0.22);
  }
  // Like sound, vibration is locked until the first tap; asking earlier only makes noise in logs.
  if ('vibrate' in navigator && navigator.userActivation.hasBeenActive) {
    navigator.vibrate([250, 120, 250]);
  }
}

/** Rings until the returned function is called; the title is put back then. */
export function startAlarm(title: string): () => void {
  const usual = document.title;
  let flashed = false;
  ring();
  const ringing = setInterval(ring, RING_EVERY_MS);
  const flashing = setInterval(() => {
    flashed = !flashed;
    document.title = flashed ? title : usual;
  }, FLASH_EVERY_MS);
  document.title = title;
  return () => {
    clearInterval(ringing);
    clearInterval(flashing);
    document.title = usual;
  };
}
