#!/usr/bin/env python3
"""Smoke runs with a bucket of Ceph's radosgw as store."""
import radosgw
import smoke_checks


def test_bucket():
    smoke_checks.with_server(radosgw)


smoke_checks.main(test_bucket)
