import unittest

from nephoscope_guest import History, grown


class State:
    """What the host keeps between polls, up to a quota."""

    def __init__(self, quota=1000):
        self.values = {}
        self.quota = quota

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        if len(value) > self.quota:
            return False
        self.values.pop(key, None)
        if value:
            self.values[key] = value
        return True


def poll(state, numbers):
    history = History(state)
    before = {name: history.swap(name, *now) for name, now in numbers.items()}
    history.keep()
    return before


class Histories(unittest.TestCase):
    def test_a_poll_sees_the_numbers_of_the_last_one_to_the_bit(self):
        state = State()
        self.assertEqual(poll(state, {"vda": (2**64 - 1, -1), "vdb": (2**53 + 1,)}), {"vda": None, "vdb": None})
        self.assertEqual(poll(state, {"vdb": (0,), "vda": (0, 0)}), {"vda": (2**64 - 1, -1), "vdb": (2**53 + 1,)})

    def test_a_device_that_is_left_out_is_forgotten(self):
        state = State()
        for numbers, before in [({"vda": (1,)}, None), ({}, None), ({"vda": (2,)}, None), ({"vda": (3,)}, (2,))]:
            self.assertEqual(poll(state, numbers).get("vda"), before)

    def test_a_device_that_is_carried_keeps_its_last_numbers(self):
        state = State()
        poll(state, {"vda": (1,), "vdb": (5,)})
        history = History(state)
        history.carry("vda")
        history.carry("vdc")
        self.assertTrue(history.keep())
        self.assertEqual(poll(state, {"vda": (3,), "vdb": (6,), "vdc": (7,)}), {"vda": (1,), "vdb": None, "vdc": None})

    def test_what_is_not_whole_is_as_if_it_were_not_there(self):
        good = b'{"vda": [1]}'
        damaged = [b"\xff", b"{", b"[]", b"1", b'{"vda": 1}', b'{"vda": ["1"]}', b'{"vda": "1"}', b'{"vda": [null]}', b'{"vda": [1, 2]}']
        damaged += [b'{"vda": [1.0]}', b'{"vda": [true]}', b'{"vda": [Infinity]}', b'{"vda": [18446744073709551616]}', b"[" * 100_000]
        damaged += [b'{"vda": [1], "vdb": ["x"]}', good + b"x"]
        for stored in [good, b"history 2\n" + good] + [b"history 1\n" + text for text in damaged]:
            state = State()
            state.values["history"] = stored
            self.assertEqual(poll(state, {"vda": (1,)}), {"vda": None}, stored[:40])
            self.assertEqual(poll(state, {"vda": (1,)}), {"vda": (1,)})

    def test_numbers_beyond_64_bits_are_refused_before_they_are_stored(self):
        for number in [2**64, -(2**63) - 1, 1.0, True]:
            with self.assertRaises(ValueError):
                History(State()).swap("vda", number)

    def test_beyond_the_quota_nothing_older_remains_and_the_guest_is_told(self):
        state = State(quota=30)
        for numbers, fits in [({"vda": (1,)}, True), ({"vda": (1,), "vdb": (1000000,)}, False)]:
            history = History(state)
            for name, now in numbers.items():
                history.swap(name, *now)
            self.assertEqual(history.keep(), fits)
            self.assertEqual("history" in state.values, fits)

    def test_what_a_counter_grew_by_is_exact_and_none_where_one_went_back(self):
        self.assertEqual(grown((1, 0), 2**64 - 1, 0), (2**64 - 2, 0))
        self.assertIsNone(grown((5, 5), 6, 4))
        self.assertIsNone(grown(None, 1, 1))
