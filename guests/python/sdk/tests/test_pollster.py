import unittest

from nephoscope_guest import Err, Error_Permanent, pollster
from wit_world.imports.types import Error_Failed


def raising(error):
    def poll():
        raise error

    return poll


class Pollsters(unittest.TestCase):
    def test_it_exports_the_meters_and_the_poll(self):
        exported = pollster(("a", "b"), lambda: ["sample"])()
        self.assertEqual(exported.meters(), ["a", "b"])
        self.assertEqual(exported.poll(), ["sample"])

    def test_an_error_of_the_contract_is_handed_on_as_it_is(self):
        error = Err(Error_Permanent("never again"))
        with self.assertRaises(Err) as raised:
            pollster([], raising(error))().poll()
        self.assertIs(raised.exception, error)

    def test_any_other_exception_is_a_failure_that_says_where(self):
        with self.assertRaises(Err) as raised:
            pollster([], raising(KeyError("vda")))().poll()
        self.assertIsInstance(raised.exception.value, Error_Failed)
        self.assertRegex(raised.exception.value.value, r"^KeyError: 'vda' \(test_pollster\.py, line \d+\)$")
