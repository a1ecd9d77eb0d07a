/** Two characters that stand for a person where no picture is shown. */
export function initials(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '') return '·';
  if (/\p{Script=Han}/u.test(trimmed)) {
    return Array.from(trimmed.replace(/[\s·•]/g, ''))
      .slice(-2)
      .join('');
  }
  const words = trimmed.split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters
    .map((word) => Array.from(word ?? '')[0] ?? '')
    .join('')
    .toUpperCase();
}
