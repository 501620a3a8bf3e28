"""What Python's YAML parser, which the Hub's client uses, reads in a file: prints it as JSON."""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps(yaml.safe_load(file)))
