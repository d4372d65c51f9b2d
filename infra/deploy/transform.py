"""Writes a SAM template as CloudFormation sees it, without an account: the
transform that `sam deploy` would have done, on standard output as JSON.

usage: transform.py template.yaml
"""

import json
import logging
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class ManagedPolicies:
    """Stands in for IAM's list, which this template names none of."""

    def load(self):
        return {}


def main(path):
    # It warns of features of a deployment that this is not.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    # What `sam package` does; the transform takes nothing but S3.
    template["Globals"]["Function"]["CodeUri"] = "s3://built/bootstrap.zip"
    json.dump(transform(template, {}, ManagedPolicies()), sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
