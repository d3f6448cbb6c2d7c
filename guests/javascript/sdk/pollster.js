/**
 * What a guest exports.
 *
 * @typedef {import("nephoscope:meter/types@0.1.0").Meter} Meter
 * @typedef {import("nephoscope:meter/types@0.1.0").Sample} Sample
 */

/**
 * What the component exports; the guest's module must have it as `pollster`.
 *
 * What `poll` throws becomes the poll's error: an error of the contract as it is (`{ tag: "permanent", val: "…" }`, or what a reading
 * threw), anything else as `failed` with its text. Left to itself, it would end the component without a word.
 *
 * @param {{ meters: Meter[], poll: () => Sample[] }} guest
 */
export function definePollster({ meters, poll }) {
  return {
    meters: () => meters,
    poll() {
      try {
        return poll();
      } catch (error) {
        throw isOfContract(error) ? error : { tag: "failed", val: describe(error) };
      }
    },
  };
}

const TAGS = ["not-found", "shut-off", "unsupported", "no-data", "permanent", "failed"];

/** @param {any} error A reading's error comes wrapped, as `payload`. */
function isOfContract(error) {
  return TAGS.includes((error?.payload ?? error)?.tag);
}

/**
 * `TypeError: disk is undefined (poll@build/mem-max.js:12:3)`: where it was thrown.
 *
 * @param {unknown} error
 */
function describe(error) {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split("\n").find((line) => line.includes("@"));
  return place ? `${error} (${place})` : `${error}`;
}
