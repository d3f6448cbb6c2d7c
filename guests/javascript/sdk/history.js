/**
 * What a guest remembers from one poll of an instance to the next: a few whole numbers for each of its devices.
 *
 * @typedef {object} State What the history is kept in: the module `nephoscope:meter/state` is one.
 * @property {(key: string) => Uint8Array | undefined} get
 * @property {(key: string, value: Uint8Array) => boolean} set
 */

/**
 * The numbers of the last poll, and this one's as they come in.
 *
 *     const history = new History(state);
 *     for (const disk of disks.inspect()) {
 *       const before = history.swap(disk.device, [disk.readRequests]);
 *       …
 *     }
 *     history.keep();
 *
 * Numbers of any size stay exact. A device that one poll leaves out is forgotten.
 */
export class History {
  /** @type {Map<string, readonly bigint[]>} */
  #now = new Map();
  #before;
  #state;
  #key;

  /**
   * @param {State} state
   * @param {string} [key]
   */
  constructor(state, key = "history") {
    this.#state = state;
    this.#key = key;
    this.#before = parse(state.get(key));
  }

  /**
   * Remembers a device's numbers; returns what the last poll remembered of it, if that were as many numbers.
   *
   * @template {readonly bigint[]} Numbers
   * @param {string} name
   * @param {Numbers} now
   * @returns {Numbers | undefined}
   */
  swap(name, now) {
    this.#now.set(name, now);
    const before = /** @type {Numbers | undefined} */ (this.#before.get(name));
    return before?.length === now.length ? before : undefined;
  }

  /** Stores what was remembered, for the next poll. */
  keep() {
    // As decimal text: JSON has no numbers that would be exact here.
    const text = JSON.stringify([...this.#now].map(([name, numbers]) => [name, numbers.map(String)]));
    if (!this.#state.set(this.#key, new TextEncoder().encode(text))) {
      // Beyond the quota. What is stored is older than this poll: the next one would count from there what this one has reported.
      this.#state.set(this.#key, new Uint8Array());
    }
  }
}

/**
 * By how much counters grew since the last poll. Undefined where there was none, or where one went back: the instance started anew.
 *
 * @template {readonly bigint[]} Numbers
 * @param {Numbers | undefined} before
 * @param {Numbers} now
 * @returns {Numbers | undefined}
 */
export function grown(before, now) {
  if (before === undefined) return undefined;
  const by = now.map((count, index) => count - (before[index] ?? 0n));
  return by.every((growth) => growth >= 0n) ? /** @type {any} */ (by) : undefined;
}

/**
 * @param {Uint8Array | undefined} stored
 * @returns {Map<string, bigint[]>}
 */
function parse(stored) {
  if (stored === undefined) return new Map();
  // An older version of the guest may have stored something else: that is as if it were not there.
  try {
    /** @type {[string, string[]][]} */
    const devices = JSON.parse(new TextDecoder().decode(stored));
    return new Map(devices.map(([name, numbers]) => [name, numbers.map(BigInt)]));
  } catch {
    return new Map();
  }
}
