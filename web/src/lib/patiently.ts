/** Waits between attempts to load a part of the app, about half a minute in all. */
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15_000];

/**
 * Loads a part of the app over a network that fails now and then. What still fails after the last
 * attempt is most likely gone from the server, and only loading the page again helps.
 */
export async function patiently<T>(
  load: () => Promise<T>,
  pause: (milliseconds: number) => Promise<void> = (milliseconds) =>
    new Promise((resolve) => setTimeout(resolve, milliseconds)),
): Promise<T> {
  for (const wait of RETRY_MS) {
    try {
      return await load();
    } catch {
      await pause(wait);
    }
  }
  return load();
}
