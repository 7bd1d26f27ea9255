"""moto's S3, which checks signatures, and what lies in it."""

import gzip
import json
import os
import sys

import boto3
import requests
from botocore.config import Config
from support.polling import until
from support.programs import Program, environment

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
# Calls that need no signature: they make the user, the key, the policy and the bucket.
UNCHECKED = 4


class MotoStore:
    """A running store with one bucket, `audit`, and one user who may write into it."""

    def __init__(self, folder):
        env = {**environment(), "INITIAL_NO_AUTH_ACTION_COUNT": str(UNCHECKED), "PYTHONUNBUFFERED": "1", "HOME": os.environ.get("HOME", "/")}
        self.program = Program("moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], folder, env)
        port = until(lambda: self._port(), lambda: self.program.tail())
        self.url = f"http://127.0.0.1:{port}"
        anonymous = {"endpoint_url": self.url, "region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        iam = boto3.client("iam", **anonymous)
        iam.create_user(UserName="writer")
        key = iam.create_access_key(UserName="writer")["AccessKey"]
        iam.put_user_policy(UserName="writer", PolicyName="p", PolicyDocument=json.dumps(POLICY))
        boto3.client("s3", config=Config(s3={"addressing_style": "path"}), **anonymous).create_bucket(Bucket="audit")
        self.access_key_id, self.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]
        own = {**anonymous, "aws_access_key_id": self.access_key_id, "aws_secret_access_key": self.secret_access_key}
        self.s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}), **own)

    def _port(self):
        return self.program.line(self.program.err, r"Running on http://127\.0\.0\.1:(\d+)")[1]

    def objects(self):
        """The lines of each object by its key."""
        listed = self.s3.list_objects_v2(Bucket="audit").get("Contents", [])
        bodies = {one["Key"]: self.s3.get_object(Bucket="audit", Key=one["Key"])["Body"].read() for one in listed}
        return {key: [json.loads(line) for line in gzip.decompress(body).splitlines()] for key, body in bodies.items()}

    def writes(self):
        """How often an object was asked to be written, whatever came of it."""
        return self.program.errors().count('"PUT /audit/')

    def config(self, **more):
        return {
            "bucket": "audit", "endpoint": self.url, "accessKeyId": self.access_key_id,
            "secretAccessKey": self.secret_access_key, **more,
        }

    def close(self):
        self.program.kill()
        requests.session().close()
