import assert from "node:assert/strict";
import test from "node:test";

import { diskResource, meter, sample, vnicResource } from "../index.js";

test("a volume is what the number is", () => {
  for (const [volume, tag] of [
    [0n, "count"],
    [9007199254740993n, "count"],
    [18446744073709551615n, "count"],
    [-1n, "signed"],
    [-9223372036854775808n, "signed"],
    [1, "real"],
    [-0.5, "real"],
  ]) {
    const expected = { meter: "m", volume: { tag, val: volume }, resourceId: undefined, metadata: [] };
    assert.deepEqual(sample("m", volume), expected);
  }
});

test("what 64 bits do not hold is refused", () => {
  for (const volume of [1n << 64n, -(1n << 63n) - 1n, undefined, null, "1"]) {
    assert.throws(() => sample("m", volume), RangeError);
  }
  for (const value of [1n << 63n, -(1n << 63n) - 1n, [], {}, Symbol("s")]) {
    assert.throws(() => sample("m", 1, { metadata: { key: value } }), RangeError);
  }
});

test("metadata keep their types and order", () => {
  const built = sample("m", 1, { resource: "r", metadata: { t: "x", n: null, u: undefined, f: true, i: 1n, r: 1 } });
  assert.equal(built.resourceId, "r");
  assert.deepEqual(built.metadata, [
    ["t", { tag: "text", val: "x" }],
    ["n", { tag: "null" }],
    ["u", { tag: "null" }],
    ["f", { tag: "flag", val: true }],
    ["i", { tag: "integer", val: 1n }],
    ["r", { tag: "real", val: 1 }],
  ]);
});

test("resources are named as Ceilometer does", () => {
  assert.equal(diskResource("4e1c", { device: "vda" }), "4e1c-vda");
  assert.equal(vnicResource("4e1c", "instance-1", { name: "tap0" }), "instance-1-4e1c-tap0");
  assert.equal(vnicResource("4e1c", "instance-1", { name: "tap0", filterref: "nova-filter" }), "nova-filter");
});

test("a declaration has its kind", () => {
  for (const kind of ["gauge", "delta", "cumulative"]) {
    assert.deepEqual(meter[kind]("m", "B", "d"), { name: "m", kind, unit: "B", description: "d" });
  }
});
