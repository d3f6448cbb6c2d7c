"""Signs samples with the genuine code of Ceilometer 9.0.7, with numbers as Python 2 prints them.

Reads one JSON object {"secret": …, "message": {…}} per line, writes the signature of each on a line.
"""
import json
import sys
import types
import warnings

# Of its libraries, about each other.
warnings.simplefilter("ignore")

from ceilometer.publisher import utils


def text(value):
    """unicode(value) of Python 2.7."""
    if isinstance(value, (list, tuple)):
        raise TypeError("Python 2 prints lists in another way: %r" % value)
    if not isinstance(value, float):
        return str(value)
    # float_str() is %.12g with .0 added where nothing tells it from an integer; so that there is room for that, the
    # exponent begins one power earlier than without.
    shown = "%.12g" % value
    if "e" not in shown and len(shown.lstrip("-").split(".")[0]) == 12:
        mantissa, exponent = ("%.11e" % value).split("e")
        shown = mantissa.rstrip("0").rstrip(".") + "e" + exponent
    return shown if any(character in shown for character in ".en") else shown + ".0"


assert [text(value) for value in (1e11, 12345678901.0, 0.1, 1e-05, 1 / 3, 1e16, -0.0, 123456789012.0, 2048.0)] == [
    "1e+11", "12345678901.0", "0.1", "1e-05", "0.333333333333", "1e+16", "-0.0", "1.23456789012e+11", "2048.0"]


class TextType(str):
    """Python 3's str, for whoever asks for the type; printing as Python 2's unicode."""

    def __new__(cls, value):
        return str.__new__(cls, text(value))


utils.six = types.SimpleNamespace(text_type=TextType)

for line in sys.stdin:
    asked = json.loads(line)
    print(utils.compute_signature(asked["message"], asked["secret"].encode("utf-8")))
