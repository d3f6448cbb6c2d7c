"""Signs samples with the genuine Ceilometer's own code.

Reads one JSON object {"secret": …, "message": {…}} per line, writes the signature of each on a line.
"""
import json
import sys

from ceilometer.publisher import utils

for line in sys.stdin:
    asked = json.loads(line)
    print(utils.compute_signature(asked["message"], asked["secret"]))
