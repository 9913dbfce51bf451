#!/usr/bin/env python3
"""Smoke runs with a bucket of versitygw as store."""
import versitygw
import smoke_checks


def test_bucket():
    smoke_checks.with_server(versitygw)


smoke_checks.main(test_bucket)
