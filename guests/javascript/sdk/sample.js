/**
 * Declaring meters, building samples.
 *
 * @typedef {import("nephoscope:meter/types@0.1.0").Kind} Kind
 * @typedef {import("nephoscope:meter/types@0.1.0").Meter} Meter
 * @typedef {import("nephoscope:meter/types@0.1.0").Sample} Sample
 * @typedef {import("nephoscope:meter/types@0.1.0").Value} Value
 * @typedef {import("nephoscope:meter/types@0.1.0").Volume} Volume
 *
 * @typedef {string | number | bigint | boolean | null | undefined} Scalar
 * @typedef {object} Details
 * @property {string} [resource] A part of the instance (see `diskResource`, `vnicResource`); left out, it is the instance.
 * @property {Record<string, Scalar>} [metadata] Keys to add to the resource's metadata; a dotted key becomes a nested object.
 */

/** Declarations of meters. */
export const meter = {
  /** A value at one moment, which may rise and fall. */
  gauge: declare("gauge"),
  /** The change since the previous sample. */
  delta: declare("delta"),
  /** A counter that only grows until the instance starts again. */
  cumulative: declare("cumulative"),
};

/**
 * A sample of a declared meter: a `bigint` is exact to its last bit, a `number` is a double.
 *
 * @param {string} meter
 * @param {bigint | number} volume
 * @param {Details} [details]
 * @returns {Sample}
 */
export function sample(meter, volume, { resource, metadata = {} } = {}) {
  return {
    meter,
    volume: volumeOf(volume),
    resourceId: resource,
    metadata: Object.entries(metadata).map(([key, value]) => [key, valueOf(value)]),
  };
}

/**
 * Ceilometer's resource id of a disk.
 *
 * @param {string} instanceId
 * @param {{ device: string }} disk
 */
export function diskResource(instanceId, { device }) {
  return `${instanceId}-${device}`;
}

/**
 * Ceilometer's resource id of a vnic: its network filter; without one the domain's name, the instance and the tap.
 *
 * @param {string} instanceId
 * @param {string} domain
 * @param {{ name: string, filterref?: string }} vnic
 */
export function vnicResource(instanceId, domain, { name, filterref }) {
  return filterref ?? `${domain}-${instanceId}-${name}`;
}

/**
 * Ceilometer's metadata of a vnic: its names, its address, its port and bridge, and the parameters of its network filter.
 *
 * @param {{ name: string, mac: string, filterref?: string, interfaceId?: string, bridge?: string, parameters: [string, string][] }} vnic
 * @returns {Record<string, Scalar>}
 */
export function vnicMetadata({ name, mac, filterref, interfaceId, bridge, parameters }) {
  // Of what a filter is given twice (a list of addresses) the last is kept. A name that is no key costs itself alone.
  const clean = parameters.filter(([key]) => /^[^.\x00-\x1f\x7f]+$/.test(key));
  const keys = clean.map(([key, value]) => [`parameters.${key}`, value]);
  return {
    name,
    mac,
    fref: filterref,
    vnic_name: filterref ?? name,
    ...Object.fromEntries(keys),
    // After the filter's own, which may not be in their place.
    "parameters.interfaceid": interfaceId,
    "parameters.bridge": bridge,
  };
}

/** @param {Kind} kind */
function declare(kind) {
  /**
   * @param {string} name
   * @param {string} unit
   * @param {string} description
   * @returns {Meter}
   */
  return (name, unit, description) => ({ name, kind, unit, description });
}

/**
 * @param {bigint | number} volume
 * @returns {Volume}
 */
function volumeOf(volume) {
  if (typeof volume === "number") return { tag: "real", val: volume };
  if (isInteger(volume)) {
    if (volume >= 0 && BigInt.asUintN(64, volume) === volume) return { tag: "count", val: volume };
    if (volume < 0 && BigInt.asIntN(64, volume) === volume) return { tag: "signed", val: volume };
  }
  throw new RangeError(`a volume must be a number or a bigint of 64 bits, not ${String(volume)}`);
}

/**
 * @param {Scalar} value
 * @returns {Value}
 */
function valueOf(value) {
  if (value === null || value === undefined) return { tag: "null" };
  if (typeof value === "string") return { tag: "text", val: value };
  if (typeof value === "boolean") return { tag: "flag", val: value };
  if (typeof value === "number") return { tag: "real", val: value };
  if (isInteger(value) && BigInt.asIntN(64, value) === value) return { tag: "integer", val: value };
  throw new RangeError(`metadata must be a scalar, a bigint one of 64 bits with a sign, not ${String(value)}`);
}

/**
 * Asked although the types say so: authors of plain JavaScript have no compiler that would.
 *
 * @param {unknown} value
 * @returns {value is bigint}
 */
function isInteger(value) {
  return typeof value === "bigint";
}
