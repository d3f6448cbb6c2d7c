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

test("a device that is carried keeps its last numbers", () => {
  const state = stateOf();
  poll(state, { vda: [1n], vdb: [5n] });
  const history = new History(state);
  history.carry("vda");
  history.carry("vdc");
  assert.equal(history.keep(), true);
  assert.deepEqual(poll(state, { vda: [3n], vdb: [6n], vdc: [7n] }), { vda: [1n], vdb: undefined, vdc: undefined });
});

test("what is not whole is as if it were not there", () => {
  const good = '[["vda",["1"]]]';
  const damaged = ["\xff", "{", "{}", "1", '[["vda",1]]', '[["vda",["a"]]]', '[["vda",[null]]]', '[["vda",["1","2"]]]'];
  damaged.push('[["vda",[""]]]', '[["vda",[false]]]', '[["vda",["18446744073709551616"]]]', '[["vda",["0x1"]]]', '[[1,["1"]]]');
  damaged.push('[["vda",["1"]],["vdb",["x"]]]', `${good}x`);
  for (const stored of [good, `history 2\n${good}`, ...damaged.map((text) => `history 1\n${text}`)]) {
    const state = stateOf();
    state.values.set("history", Buffer.from(stored, "latin1"));
    assert.deepEqual(poll(state, { vda: [1n] }), { vda: undefined }, stored);
    assert.deepEqual(poll(state, { vda: [1n] }), { vda: [1n] });
  }
});

test("numbers beyond 64 bits are refused before they are stored", () => {
  for (const number of [2n ** 64n, -(2n ** 63n) - 1n, 1]) {
    assert.throws(() => new History(stateOf()).swap("vda", [number]), RangeError);
  }
});

test("beyond the quota nothing older remains, and the guest is told", () => {
  const state = stateOf(30);
  for (const [devices, fits] of [[{ vda: [1n] }, true], [{ vda: [1n], vdb: [1000000n] }, false]]) {
    const history = new History(state);
    for (const [name, now] of Object.entries(devices)) history.swap(name, now);
    assert.equal(history.keep(), fits);
    assert.equal(state.values.has("history"), fits);
  }
});

test("what counters grew by is exact, and undefined where one went back", () => {
  assert.deepEqual(grown([1n, 0n], [18446744073709551615n, 0n]), [18446744073709551614n, 0n]);
  assert.equal(grown([5n, 5n], [6n, 4n]), undefined);
  assert.equal(grown(undefined, [1n]), undefined);
});
