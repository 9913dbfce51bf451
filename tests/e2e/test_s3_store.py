#!/usr/bin/env python3
"""The S3 store on Ceph's radosgw."""
import radosgw
import store_checks

store_checks.main(radosgw)
