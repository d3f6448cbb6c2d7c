import unittest
from types import SimpleNamespace

from nephoscope_guest import disk_resource, meter, sample, vnic_resource
from wit_world.imports import types


class Samples(unittest.TestCase):
    def test_a_volume_is_what_the_number_is(self):
        for volume, expected in [
            (0, types.Volume_Count(0)),
            (2**53 + 1, types.Volume_Count(9007199254740993)),
            (2**64 - 1, types.Volume_Count(18446744073709551615)),
            (-1, types.Volume_Signed(-1)),
            (-(2**63), types.Volume_Signed(-9223372036854775808)),
            (1.0, types.Volume_Real(1.0)),
            (-0.5, types.Volume_Real(-0.5)),
        ]:
            built = sample("m", volume)
            self.assertEqual(built, types.Sample("m", expected, None, []))
            self.assertIs(type(built.volume.value), type(volume))

    def test_what_64_bits_do_not_hold_is_refused(self):
        for volume in [2**64, -(2**63) - 1, None, "1"]:
            with self.assertRaises(ValueError):
                sample("m", volume)
        for value in [2**63, -(2**63) - 1, [], {}]:
            with self.assertRaises(ValueError):
                sample("m", 1, metadata={"key": value})

    def test_metadata_keep_their_types_and_order(self):
        built = sample("m", 1, resource="r", metadata={"t": "x", "n": None, "f": True, "i": 1, "r": 1.0})
        expected = [
            ("t", types.Value_Text("x")),
            ("n", types.Value_Null()),
            ("f", types.Value_Flag(True)),
            ("i", types.Value_Integer(1)),
            ("r", types.Value_Real(1.0)),
        ]
        self.assertEqual(built.metadata, expected)
        self.assertEqual(built.resource_id, "r")

    def test_resources_are_named_as_ceilometer_does(self):
        self.assertEqual(disk_resource("4e1c", SimpleNamespace(device="vda")), "4e1c-vda")
        plain, filtered = (SimpleNamespace(name="tap0", filterref=filter) for filter in (None, "nova-filter"))
        self.assertEqual(vnic_resource("4e1c", "instance-1", plain), "instance-1-4e1c-tap0")
        self.assertEqual(vnic_resource("4e1c", "instance-1", filtered), "nova-filter")


class Meters(unittest.TestCase):
    def test_a_declaration_has_its_kind(self):
        for declare, kind in [
            (meter.gauge, types.Kind.GAUGE),
            (meter.delta, types.Kind.DELTA),
            (meter.cumulative, types.Kind.CUMULATIVE),
        ]:
            self.assertEqual(declare("m", "B", "d"), types.Meter("m", kind, "B", "d"))
