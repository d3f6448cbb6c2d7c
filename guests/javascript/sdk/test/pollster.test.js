import assert from "node:assert/strict";
import test from "node:test";

import { definePollster } from "../index.js";

function thrownFor(error) {
  const pollster = definePollster({
    meters: [],
    poll() {
      throw error;
    },
  });
  try {
    pollster.poll();
  } catch (thrown) {
    return thrown;
  }
  assert.fail("nothing was thrown");
}

test("it exports the meters and the poll", () => {
  const pollster = definePollster({ meters: ["a"], poll: () => ["sample"] });
  assert.deepEqual(pollster.meters(), ["a"]);
  assert.deepEqual(pollster.poll(), ["sample"]);
});

test("an error of the contract is handed on as it is", () => {
  for (const error of [{ tag: "permanent", val: "never again" }, { tag: "no-data" }, { payload: { tag: "shut-off" } }]) {
    assert.equal(thrownFor(error), error);
  }
});

test("anything else is a failure that says what happened", () => {
  const { tag, val } = thrownFor(new TypeError("no disk"));
  assert.equal(tag, "failed");
  assert.match(val, /^TypeError: no disk/);
  for (const odd of [undefined, null, "text", {}, { tag: "other" }, { payload: 1 }]) {
    assert.deepEqual(thrownFor(odd), { tag: "failed", val: String(odd) });
  }
});
