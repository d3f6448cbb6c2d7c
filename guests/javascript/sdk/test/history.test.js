import assert from "node:assert/strict";
import test from "node:test";

import { History, grown } from "../index.js";

/** What the host keeps between polls, up to a quota. */
function stateOf(quota = 1000) {
  const values = new Map();
  return {
    values,
    get: (key) => values.get(key),
    set(key, value) {
      if (value.length > quota) return false;
      if (value.length === 0) values.delete(key);
      else values.set(key, value);
      return true;
    },
  };
}

function poll(state, devices) {
  const history = new History(state);
  const before = Object.entries(devices).map(([name, now]) => [name, history.swap(name, now)]);
  history.keep();
  return Object.fromEntries(before);
}

test("a poll sees the numbers of the last one to the bit", () => {
  const state = stateOf();
  const first = { vda: [18446744073709551615n, -1n], vdb: [9007199254740993n], ["__proto__"]: [1n] };
  assert.deepEqual(Object.values(poll(state, first)), [undefined, undefined, undefined]);
  assert.deepEqual(poll(state, { vdb: [0n], vda: [0n, 0n] }), { vdb: first.vdb, vda: first.vda });
});

test("a device that is left out is forgotten", () => {
  const state = stateOf();
  for (const [devices, before] of [[{ vda: [1n] }], [{}], [{ vda: [2n] }], [{ vda: [3n] }, [2n]]]) {
    assert.deepEqual(poll(state, devices).vda, before);
  }
});

test("what was stored in another form is as if it were not there", () => {
  for (const stored of ["\xff", "{", "{}", "1", '[["vda",1]]', '[["vda",["a"]]]', '[["vda",[null]]]', '[["vda",["1","2"]]]']) {
    const state = stateOf();
    state.values.set("history", Buffer.from(stored, "latin1"));
    assert.deepEqual(poll(state, { vda: [1n] }), { vda: undefined }, stored);
    assert.deepEqual(poll(state, { vda: [1n] }), { vda: [1n] });
  }
});

test("beyond the quota nothing older remains", () => {
  const state = stateOf(20);
  poll(state, { vda: [1n] });
  poll(state, { vda: [1n], vdb: [1000000n] });
  assert.equal(state.values.size, 0);
});

test("what counters grew by is exact, and undefined where one went back", () => {
  assert.deepEqual(grown([1n, 0n], [18446744073709551615n, 0n]), [18446744073709551614n, 0n]);
  assert.equal(grown([5n, 5n], [6n, 4n]), undefined);
  assert.equal(grown(undefined, [1n]), undefined);
});
