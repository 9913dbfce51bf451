#!/usr/bin/env python3
"""The S3 store on versitygw, which has conditional writes in versioned buckets too."""
import store_checks
import versitygw

store_checks.main(versitygw)
