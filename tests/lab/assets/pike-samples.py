"""Writes as JSON lines what the file dispatcher of Ceilometer 9.0.7 recorded, the text of a Python list per line."""
import ast
import json
import sys

for line in open(sys.argv[1], encoding="utf-8"):
    # The last line may be half written.
    if line.endswith("\n"):
        for sample in ast.literal_eval(line):
            print(json.dumps(sample))
