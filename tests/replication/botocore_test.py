#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our signatures are those of botocore, which signs what AWS's own Python tools send.

SIGN_REQUESTS is the program of sign_requests.cc. It and botocore sign the same requests, drawn from a seed (argument 1),
with keys, queries and headers that are awkward to encode. Where botocore is missing (in Debian: python3-botocore), this
test says SKIP and shows nothing.
"""
import datetime
import os
import random
import subprocess
import sys
from unittest import mock
from urllib.parse import quote, urlsplit, parse_qsl

try:
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    print("SKIP: there is no botocore here (Debian: package python3-botocore)")
    sys.exit(77)

REQUESTS = 600
AWKWARD = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~azAZ09\u00e4\u20ac\U0001f600\t\n\x00\x7f"
ENDPOINTS = ["https://s3.eu-central-1.amazonaws.com", "http://localhost:7480", "https://minio.example:9000",
             "http://storage_1", "https://127.0.0.1:8443", "http://[::1]:9000"]
REGIONS = ["us-east-1", "eu-central-1", "default", "RegionOne"]


def text(source, low, high, alphabet=AWKWARD):
    return "".join(source.choice(alphabet) for _ in range(source.randint(low, high)))


def hexed(value):
    data = value if isinstance(value, bytes) else value.encode()
    return data.hex() or "-"


def pairs(items):
    return ",".join(f"{hexed(n).replace('-', '')}={hexed(v).replace('-', '')}" for n, v in items) or "-"


def stopped_clock(when):
    """botocore's clock, which is a function of its own in newer versions."""
    if hasattr(botocore.auth, "get_current_datetime"):
        return mock.patch("botocore.auth.get_current_datetime", return_value=when)
    return mock.patch("botocore.auth.datetime", **{"datetime.utcnow.return_value": when})


class Case:
    """One request, from a source of chance."""

    def __init__(self, source):
        self.kind = source.choice(["header", "header", "presign"])
        self.method = source.choice(["GET", "PUT", "POST", "HEAD", "DELETE"])
        self.endpoint = source.choice(ENDPOINTS)
        self.bucket = source.choice(["bucket", "my-bucket-7", "a.b-c"])
        is_address = "127.0.0.1" in self.endpoint or "[" in self.endpoint
        dotted_tls = "." in self.bucket and self.endpoint.startswith("https")
        self.addressing = "path" if is_address or dotted_tls else source.choice(["path", "host"])
        # Of a key that is no text, quote() takes the bytes.
        self.key = source.choice([b"", text(source, 1, 40).encode(), bytes(source.randrange(256) for _ in range(30)),
                                  b"a/../b//c/./", b"%2F%", b"/leading", b"+ +"])
        self.region = source.choice(REGIONS)
        self.seconds = source.randrange(0, 4102444800)
        self.id = "AKIA" + text(source, 4, 16, "ABCDEFGHIJ0123456789")
        self.secret = text(source, 1, 60, "abcXYZ019/+")
        self.token = source.choice(["", text(source, 1, 300, "abcXYZ019/+=")])
        self.hash = source.choice(["UNSIGNED-PAYLOAD", "%064x" % source.getrandbits(256)])
        self.valid = source.randint(1, 604800)
        names = source.sample(["uploads", "prefix", "list-type", "start-after", "a b", "a-b", "a", "\u00e4", "Z", "~", "%", "A"],
                              source.randint(0, 6))
        self.query = [(name, source.choice(["", text(source, 0, 20)])) for name in names]
        if self.kind == "header" and self.query and source.random() < 0.3:
            self.query.append((self.query[0][0], text(source, 0, 5)))
        value = " abc,;=\"/\u00e4\u20ac019"
        names = source.sample(["Range", "x-amz-meta-a", "X-Amz-Meta-B", "If-None-Match", "content-type",
                               "x-amz-copy-source", "x-amz-acl"], source.randint(0, 4))
        self.headers = [(name, text(source, 0, 20, value)) for name in names]

    def line(self):
        return " ".join([self.kind, self.method, self.endpoint, self.addressing, hexed(self.bucket), hexed(self.key),
                         hexed(self.region), hexed(str(self.seconds)), hexed(self.id), hexed(self.secret),
                         hexed(self.token), hexed(self.hash), hexed(str(self.valid)), pairs(self.query),
                         pairs(self.headers)])

    def by_botocore(self):
        """The signed request. The path and the query are written here, as urllib encodes them."""
        scheme, _, host = self.endpoint.partition("://")
        path = "/" + quote(self.key, safe="/~")
        if self.addressing == "path":
            path = "/" + self.bucket + (path if self.key else "")
        else:
            host = self.bucket + "." + host
        request = AWSRequest(method=self.method, url=f"{scheme}://{host}{path}")
        if self.kind == "header":
            request.params = self.query
        elif self.query:
            request.url += "?" + "&".join(quote(n, safe="-._~") + "=" + quote(v, safe="-._~") for n, v in self.query)
        for name, value in self.headers:
            request.headers[name] = value
        keys = Credentials(self.id, self.secret, self.token or None)
        when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=self.seconds)
        with stopped_clock(when):
            if self.kind == "header":
                signer = botocore.auth.S3SigV4Auth(keys, "s3", self.region)
                signer.payload = lambda _: self.hash
            else:
                signer = botocore.auth.S3SigV4QueryAuth(keys, "s3", self.region, expires=self.valid)
            signer.add_auth(request)
        return request


def parts(authorization):
    algorithm, _, rest = authorization.partition(" ")
    return [algorithm] + [part.strip() for part in rest.split(",")]


def difference(case, ours, theirs):
    """What the two do not agree in, or nothing."""
    if ours.startswith("ERROR"):
        return ours
    if case.kind == "presign":
        mine, other = urlsplit(ours), urlsplit(theirs.url)
        if (mine.scheme, mine.netloc, mine.path) != (other.scheme, other.netloc, other.path):
            return f"{ours} is not {theirs.url}"
        queries = [sorted(parse_qsl(url.query, keep_blank_values=True)) for url in (mine, other)]
        return None if queries[0] == queries[1] else f"{queries[0]}\n  is not {queries[1]}"
    host, path, _, *headers = ours.split("\t")
    url = urlsplit(theirs.url)
    if (host, path) != (url.netloc, url.path):
        return f"{host}{path} is not {url.netloc}{url.path}"
    headers = dict(header.split("=", 1) for header in headers)
    for name in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token"):
        if headers.get(name) != theirs.headers.get(name):
            return f"{name} is {headers.get(name)}, not {theirs.headers.get(name)}"
    mine, other = parts(headers["Authorization"]), parts(theirs.headers["Authorization"])
    return None if mine == other else f"{mine}\n  is not {other}"


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 20130524
    source = random.Random(seed)
    cases = [Case(source) for _ in range(REQUESTS)]
    run = subprocess.run([os.environ["SIGN_REQUESTS"]], input="\n".join(case.line() for case in cases) + "\n",
                         stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    answers = run.stdout.splitlines()
    failed = int(len(answers) != len(cases))
    for case, ours in zip(cases, answers):
        wrong = difference(case, ours, case.by_botocore())
        if wrong:
            failed += 1
            print(f"{case.line()}\n  {wrong}")
    # A comparison that finds nothing shows nothing: another secret must be seen.
    case = cases[0]
    case.secret += "x"
    failed += difference(case, answers[0], case.by_botocore()) is None
    print(f"{len(cases)} requests from seed {seed} signed by both, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
