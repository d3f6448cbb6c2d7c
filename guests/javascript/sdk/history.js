/**
 * What a guest remembers from one poll of an instance to the next: a few whole numbers for each of its devices.
 *
 * @typedef {object} State What the history is kept in: the module `nephoscope:meter/state` is one.
 * @property {(key: string) => Uint8Array | undefined} get
 * @property {(key: string, value: Uint8Array) => boolean} set
 */

/** What a stored text starts with. Another form gets another number: a newer guest finds what an older one stored. */
const VERSION = "history 1\n";

/**
 * The numbers of the last poll, and this one's as they come in.
 *
 *     const history = new History(state);
 *     for (const disk of disks.inspect()) {
 *       if (disk.readRequests === undefined) {
 *         history.carry(disk.device);
 *         continue;
 *       }
 *       const before = history.swap(disk.device, [disk.readRequests]);
 *       …
 *     }
 *     if (!history.keep()) log.write("warn", "…");
 *
 * Integers of 64 bits stay exact. A device that a poll neither swaps nor carries is forgotten: it is gone.
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
   * Remembers a device's numbers; returns what was remembered of it before, if that were as many numbers.
   *
   * @template {readonly bigint[]} Numbers
   * @param {string} name
   * @param {Numbers} now
   * @returns {Numbers | undefined}
   */
  swap(name, now) {
    if (!now.every(isNumber)) throw new RangeError(`a history is of bigints of 64 bits, not ${now.map(String).join(", ")}`);
    this.#now.set(name, now);
    const before = /** @type {Numbers | undefined} */ (this.#before.get(name));
    return before?.length === now.length ? before : undefined;
  }

  /**
   * Goes on remembering what it has of a device that is there, but of which this poll has no numbers.
   *
   * @param {string} name
   */
  carry(name) {
    const before = this.#before.get(name);
    if (before !== undefined) this.#now.set(name, before);
  }

  /** Stores what was remembered, for the next poll. False where it is beyond the quota: then nothing is remembered. */
  keep() {
    const stored = this.#state.set(this.#key, format(this.#now));
    // What is there is older than this poll: the next one would count from there what this one has reported.
    if (!stored) this.#state.set(this.#key, new Uint8Array());
    return stored;
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

/** @param {ReadonlyMap<string, readonly bigint[]>} devices */
function format(devices) {
  if (devices.size === 0) return new Uint8Array();
  // As decimal text: JSON has no numbers that would be exact here.
  const text = JSON.stringify([...devices].map(([name, numbers]) => [name, numbers.map(String)]));
  return new TextEncoder().encode(VERSION + text);
}

/**
 * What does not read to the last number as `format` writes it is as if it were not there.
 *
 * @param {Uint8Array | undefined} stored
 * @returns {Map<string, bigint[]>}
 */
function parse(stored) {
  if (stored === undefined) return new Map();
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(stored);
    if (!text.startsWith(VERSION)) return new Map();
    /** @type {[unknown, unknown[]][]} */
    const devices = JSON.parse(text.slice(VERSION.length));
    return new Map(devices.map(([name, numbers]) => [nameOf(name), numbers.map(numberOf)]));
  } catch {
    return new Map();
  }
}

/** @param {unknown} stored */
function nameOf(stored) {
  if (typeof stored !== "string") throw new TypeError("no name");
  return stored;
}

/** @param {unknown} stored BigInt alone would make 0 of an empty text and of false. */
function numberOf(stored) {
  if (typeof stored !== "string" || !/^-?[0-9]{1,20}$/.test(stored)) throw new TypeError("no number");
  const number = BigInt(stored);
  if (!isNumber(number)) throw new RangeError("beyond 64 bits");
  return number;
}

/** @param {unknown} number Whether it is what a counter or a difference of two can be: 64 bits, with a sign or without. */
function isNumber(number) {
  return typeof number === "bigint" && number >= -(2n ** 63n) && number < 2n ** 64n;
}
