"""Reads metrics by both parsers of prometheus_client: text on standard input, JSON on standard output."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

TEXT = sys.stdin.read()


def samples(parser):
    """Every sample, with the type and the help of its family."""
    return [
        [family.type, family.documentation, sample.name, sample.labels, sample.value]
        for family in parser(TEXT)
        for sample in family.samples
    ]


print(json.dumps({"openmetrics": samples(openmetrics), "prometheus": samples(prometheus)}))
