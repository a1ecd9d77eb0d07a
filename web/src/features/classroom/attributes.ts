/** What participants say of themselves (`hand`) and the server of them (`role`, `floor`). */
interface Described {
  attributes: Readonly<Record<string, string>>;
}

export function isRaised(person: Described): boolean {
  return person.attributes['hand'] === '1';
}

/** The teacher has called on them. */
export function hasFloor(person: Described): boolean {
  return person.attributes['floor'] === '1';
}

export function isTeacher(person: Described): boolean {
  return person.attributes['role'] === 'teacher';
}

export function isStaffRole(person: Described): boolean {
  return isTeacher(person) || person.attributes['role'] === 'officer';
}
