#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Moves a folder's files with boto3's transfer manager: `boto3_transfer.py put|get ENDPOINT BUCKET FOLDER`.

Parts of 32 MiB, eight at a time: with its own 8 MiB it is slower here. (Debian's interpreter, for its boto3.)
"""

import pathlib
import sys

import boto3
import boto3.s3.transfer
import botocore.config


def main():
    verb, endpoint, bucket, folder = sys.argv[1:]
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                          config=botocore.config.Config(s3={"addressing_style": "path"}))
    options = boto3.s3.transfer.TransferConfig(multipart_threshold=32 << 20, multipart_chunksize=32 << 20,
                                               max_concurrency=8)
    folder = pathlib.Path(folder)
    with boto3.s3.transfer.S3Transfer(client, options) as transfer:
        if verb == "put":
            client.create_bucket(Bucket=bucket)
            for path in sorted(folder.iterdir()):
                transfer.upload_file(str(path), bucket, path.name)
        else:
            folder.mkdir(exist_ok=True)
            for item in client.list_objects_v2(Bucket=bucket)["Contents"]:
                transfer.download_file(bucket, item["Key"], str(folder / item["Key"]))


if __name__ == "__main__":
    main()
